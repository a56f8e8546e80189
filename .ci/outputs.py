"""Execute notebooks, and leave outputs that a reader can use.

python .ci/outputs.py [--run] NOTEBOOK ...

With --run each is executed from top to bottom, in the folder `nbs`. Outputs of cells that the site hides are dropped; temporary folders are cut from paths,
so that `/tmp/tmpab12/store` is `store`, and addresses from objects. Exits with 1 if an output holds a warning, or if a cell that shows something has none.
"""
import argparse, ast, json, re, sys
from pathlib import Path

NBS = Path(__file__).parents[1]/'nbs'
FOLDER = re.compile(r'(?:/tmp|/private/var/folders/\w+/\w+/T|/var/folders/\w+/\w+/T)/tmp\w+/')
ODD = re.compile(r'\b\w*Warning\b|\bat 0x[0-9a-f]+|/(?:tmp|root|home)/\w+')


def texts(output):
    "The parts of an output that are text: where each stands, and under which key"
    if 'text' in output: yield output, 'text'
    for kind in output.get('data', {}):
        if kind.startswith('text/'): yield output['data'], kind


def execute(notebook):
    "A notebook with the outputs of an execution"
    import nbformat
    from nbclient import NotebookClient
    nb = nbformat.read(notebook, 4)
    NotebookClient(nb, timeout=1800, coalesce_streams=True, resources=dict(metadata=dict(path=str(NBS)))).execute()
    return json.loads(nbformat.writes(nb))


def odd(nb):
    "Texts in outputs that a reader can't use"
    for cell in nb['cells']:
        for o in cell.get('outputs', []):
            if o.get('output_type')=='error': yield f"the error {o.get('ename')}"
            for part,key in texts(o): yield from ODD.findall(''.join(part[key]))


def _called(o):
    "The name of the function that an expression calls, or nothing"
    return getattr(o.func, 'id', '') if isinstance(o, ast.Call) else ''


def shows(code, silent=()):
    "Does code end with a value, print or plot, so that it should have an output? Functions in `silent` give none"
    tree = ast.parse(re.sub(r'(?m)^\s*[!%].*$', '', code)).body
    last = tree[-1].value if tree and isinstance(tree[-1], ast.Expr) else None
    value = last is not None and not isinstance(last, ast.Constant) and not code.rstrip().endswith(';')
    if value and not (_called(last).startswith('test_') or _called(last) in ('print','show_doc',*silent)): return True
    seen = [o for top in tree if not isinstance(top, (ast.FunctionDef,ast.ClassDef)) for o in ast.walk(top)]
    return any(_called(o)=='print' or isinstance(o, ast.Attribute) and getattr(o.value, 'id', '')=='plt' and o.attr in ('subplots','figure','show') for o in seen)


def missing(nb):
    "First lines of cells that a reader sees, and that show something, but have no output"
    cells = [(''.join(o['source']),o) for o in nb['cells'] if o['cell_type']=='code']
    own = [k for code,_ in cells if not re.search(r'(?m)^#\| *export', code) for k in re.findall(r'(?m)^def (\w+)', code)] # Helpers of an example
    for code,cell in cells:
        if cell['outputs'] or re.search(r'(?m)^#\| *(hide|export|default_exp|exec_doc|eval: *false|output: *false)', code): continue
        if shows(code, own): yield f"no output of {next(o for o in code.splitlines() if not o.startswith('#|'))[:60]!r}"


def clean(nb):
    "Drop outputs that nobody sees, and temporary folders"
    for cell in nb['cells']:
        if cell['cell_type']!='code': continue
        if re.match(r'#\| *hide\b|show_doc\(', ''.join(cell['source'])): cell['outputs'] = [] # The site makes what show_doc shows
        for o in cell['outputs']:
            for part,key in texts(o): part[key] = re.sub(r' at 0x[0-9a-f]+', '', FOLDER.sub('', ''.join(part[key]))).splitlines(True)
    return nb


if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('notebooks', nargs='+', type=Path)
    p.add_argument('--run', action='store_true', help='execute them first')
    args,bad = p.parse_args(),[]
    for file in args.notebooks:
        nb = clean(execute(file) if args.run else json.loads(file.read_text(encoding='utf-8')))
        file.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)+'\n', encoding='utf-8')
        bad += [f'{file}: {o}' for o in (*odd(nb), *missing(nb))]
    print('\n'.join(bad) or 'all outputs can be used')
    sys.exit(bool(bad))
