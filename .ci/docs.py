"""Checks of the site without building it: every public name has a docstring; every page says first what it is for, is in the sidebar, and has headings in
order; every relative link and anchor leads somewhere; every figure has an alternative text; cards have addresses that hold on all pages; outputs can be used."""
import importlib, inspect, json, pkgutil, re, sys
from pathlib import Path

import yaml
import pcam_nb
import readme
from outputs import odd

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
    "Outputs with warnings, addresses of objects or temporary folders"
    for o in pages:
        if o.suffix=='.ipynb': yield from (f'{o.relative_to(root)}: {k}' for k in odd(json.loads(o.read_text(encoding='utf-8'))))


if __name__=='__main__':
    pages = [o for o in sorted([*nbs.rglob('*.ipynb'), *nbs.rglob('*.qmd')]) if '.ipynb_checkpoints' not in o.parts]
    listed = [file for _,file in readme.sidebar()]
    bad = [f'{o}: no docstring' for o in without_docstring()]
    bad += without_summary(pages)
    bad += dead_links([*pages, *root.glob('*.md'), *root.glob('bench/*.md')])
    bad += [o for f in (disordered, without_alt, odd_outputs) for o in f(pages)]
    bad += site_faults()
    bad += [f'{o}: once in the sidebar, or once in nbs' for o in sorted({str(o.relative_to(nbs)) for o in pages}^{*listed, '404.qmd'})]
    bad += [f'{o}: twice in the sidebar' for o in sorted({o for o in listed if listed.count(o)>1})]
    print('\n'.join(bad) or f'{len(pages)} pages, all names described, all links lead somewhere, all figures have a text')
    sys.exit(bool(bad))
