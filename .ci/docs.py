"""Checks of the site without building it: every public name has a docstring; every page says first what it is for, is in the sidebar, and has headings in
order; every relative link and anchor leads somewhere; every figure has an alternative text; cards have addresses that hold on all pages; outputs are there and can be
used; menu, sidebar and start page name the same pages in the same order."""
import ast, importlib, inspect, json, pkgutil, re, sys
from pathlib import Path

import yaml
from nbdev.doclinks import NbdevLookup

import pcam_nb
import readme
from outputs import missing, odd

root = Path(__file__).parents[1]
nbs = root/'nbs'


def without_docstring():
    "Public classes, functions and methods of the package that have none"
    for m in (o for o in pkgutil.iter_modules(pcam_nb.__path__) if not o.name.startswith('_')):
        module = importlib.import_module(f'pcam_nb.{m.name}')
        if not module.__doc__: yield module.__name__
        for name,o in inspect.getmembers(module, lambda o: inspect.isclass(o) or inspect.isfunction(o)):
            if name.startswith('_') or o.__module__!=module.__name__: continue
            if not o.__doc__: yield f'{module.__name__}.{name}'
            methods = inspect.getmembers(o, inspect.isfunction) if inspect.isclass(o) else []
            own = [k for k,v in methods if k in vars(o) and v.__module__.startswith('pcam_nb') and not k.startswith('_')]
            yield from (f'{module.__name__}.{name}.{k}' for k in own if not inspect.getdoc(getattr(o, k)))


def text(page):
    "The prose of a page"
    if page.suffix!='.ipynb': return page.read_text(encoding='utf-8')
    return '\n\n'.join(''.join(o['source']) for o in json.loads(page.read_text(encoding='utf-8'))['cells'] if o['cell_type']=='markdown')


def without_summary(pages):
    "Pages that don't begin with a title and a sentence"
    for o in pages:
        if o.suffix=='.ipynb' and not re.match(r'# .+\n+> .{20,}', text(o)): yield f'{o.relative_to(root)}: no sentence under the title'
        if o.suffix=='.qmd' and not re.search(r'(?m)^description: .{20,}', text(o)): yield f'{o.relative_to(root)}: no description'


def prose(page):
    "The prose of a page without code"
    return re.sub(r'```.*?```|`[^`\n]*`', '', text(page), flags=re.S)


def headings(page):
    "Level and anchor of each heading, as Pandoc makes it"
    bare = re.sub(r'```.*?```', '', text(page), flags=re.S)
    for marks,title in re.findall(r'(?m)^(#{1,6}) +(.+?)\s*$', bare):
        words = re.sub(r'[^\w\s.-]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)|[`*]', r'\1', title)).strip().lower()
        yield len(marks), re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', words))


def dead_links(pages):
    "Relative links, and anchors, that lead nowhere"
    for page in pages:
        for link in re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', prose(page)):
            link,_,anchor = ''.join(link).partition('#')
            if re.match(r'https?:|mailto:|data:', link): continue
            to = (nbs/link.lstrip('/') if link.startswith('/') else page.parent/link) if link else page
            if not to.exists(): yield f'{page.relative_to(root)}: {link}'
            elif anchor and to.suffix in ('.ipynb','.qmd','.md') and anchor not in [o for _,o in headings(to)]: yield f'{page.relative_to(root)}: {link}#{anchor}'


def disordered(pages):
    "Pages whose headings leave out a level"
    for page in pages:
        levels = [1]+[k for k,_ in headings(page)]
        if any(b>a+1 for a,b in zip(levels, levels[1:])): yield f'{page.relative_to(root)}: a heading leaves out a level'


def without_alt(pages):
    "Figures that say nothing to who can't see them"
    for page in pages:
        if re.search(r'!\[\s*\]\(', prose(page)): yield f'{page.relative_to(root)}: an image without text'
        yield from (f'{page.relative_to(root)}: {o}' for o in re.findall(r'<img(?![^>]*\balt=)[^>]*>', prose(page)))
        for cell in json.loads(page.read_text(encoding='utf-8'))['cells'] if page.suffix=='.ipynb' else []:
            code = ''.join(cell['source'])
            if any(k.startswith('image/') for o in cell.get('outputs', []) for k in o.get('data', {})) and not re.search(r'(?m)^#\| *(fig-alt: *"?\w|hide *$)', code):
                yield f'{page.relative_to(root)}: the figure of {code.splitlines()[0][:60]!r} has no fig-alt'


def site_faults():
    "What of the site's settings would not hold on every page"
    site = yaml.safe_load((root/'_quarto.yml').read_text())['website']
    for where in ('open-graph','twitter-card'):
        if not site[where]['image'].startswith('/') or not (nbs/site[where]['image'][1:]).is_file(): yield f'{where}: its image has no address from the top'
    if not site['navbar'].get('logo-alt'): yield 'the logo has no text'
    if not (nbs/'404.qmd').is_file(): yield 'no page 404'


def odd_outputs(pages):
    "Outputs with warnings, addresses of objects or temporary folders, and outputs that are missing"
    for o in pages:
        if o.suffix!='.ipynb': continue
        nb = json.loads(o.read_text(encoding='utf-8'))
        yield from (f'{o.relative_to(root)}: {k}' for k in (*odd(nb), *missing(nb)))


def mixed_imports(pages):
    "Cells with imports and other code: nbdev executes them as it builds the site, without the cells before them"
    for page in pages:
        for cell in json.loads(page.read_text(encoding='utf-8'))['cells'] if page.suffix=='.ipynb' else []:
            code = ''.join(cell['source'])
            if cell['cell_type']!='code' or 'nbdev_export()' in code or re.search(r'(?m)^#\| *(export|eval: *false)', code): continue
            kinds = {type(o) for o in ast.walk(ast.parse(re.sub(r'(?m)^\s*[!%].*$', '', code)))}
            if kinds&{ast.Import,ast.ImportFrom} and kinds&{ast.Expr,ast.Assign}: yield f'{page.relative_to(root)}: imports and other code in one cell: {code.splitlines()[-1][:60]!r}'


def nested_links(pages):
    "Links whose text is a name in backticks that nbdev makes a link of, too: a link in a link is shown as it is written"
    names = NbdevLookup()
    for page in pages:
        if page.suffix!='.ipynb': continue
        bare = re.sub(r'(?m)^```.*?^```', '', text(page), flags=re.S)
        yield from (f'{page.relative_to(root)}: write [<code>{o}</code>](…)' for o in re.findall(r'\[`([^`\s]+?)`\]\(', bare) if names.doc(o))


def unlike_menus():
    "Where menu, sidebar and the tables of the start page differ"
    site,side = yaml.safe_load((root/'_quarto.yml').read_text())['website'],yaml.safe_load((nbs/'sidebar.yml').read_text())['website']['sidebar']['contents']
    of = lambda o: o['contents'] if isinstance(o, dict) and 'contents' in o else []
    for menu in (o for o in site['navbar']['left'] if 'menu' in o):
        pages = [o if isinstance(o, str) else o['href'] for o in next(of(o) for o in side if isinstance(o, dict) and o.get('section')==menu['text']) if not of(o)]
        here = [o['href'] for o in menu['menu'] if not re.match(r'\d', o['href'])]
        if pages!=here: yield f"{menu['text']}: the menu has {', '.join(here)}; the sidebar {', '.join(pages)}"
    called = {o['href']:o['text'] for o in site['navbar']['left'] for o in o.get('menu', [o])}
    listed = {o['href']:o['text'] for section in side for o in of(section) if isinstance(o, dict) and 'href' in o}
    start = dict(re.findall(r'(?m)^\| \[([^\]]+)\]\((tutorials/[^)]+)\)', text(nbs/'index.ipynb')))
    tutorials = [(v,k) for k,v in listed.items() if k.startswith('tutorials/')]
    if list(start.items())!=tutorials: yield 'the tutorials of the start page are not those of the sidebar, by name and order'
    yield from (f'{k}: {v!r} in the menu, {listed[k]!r} in the sidebar' for k,v in called.items() if k in listed and listed[k]!=v)


if __name__=='__main__':
    pages = [o for o in sorted([*nbs.rglob('*.ipynb'), *nbs.rglob('*.qmd')]) if '.ipynb_checkpoints' not in o.parts]
    listed = [file for _,file in readme.sidebar()]
    bad = [f'{o}: no docstring' for o in without_docstring()]
    bad += without_summary(pages)
    bad += dead_links([*pages, *root.glob('*.md'), *root.glob('bench/*.md')])
    bad += [o for f in (disordered, without_alt, odd_outputs, mixed_imports, nested_links) for o in f(pages)]
    bad += [*site_faults(), *unlike_menus()]
    bad += [f'{o}: once in the sidebar, or once in nbs' for o in sorted({str(o.relative_to(nbs)) for o in pages}^{*listed, '404.qmd'})]
    bad += [f'{o}: twice in the sidebar' for o in sorted({o for o in listed if listed.count(o)>1})]
    print('\n'.join(bad) or f'{len(pages)} pages, all names described, all links lead somewhere, all figures have a text')
    sys.exit(bool(bad))
