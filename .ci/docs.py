"""Checks of the site without building it: every public name has a docstring, every page says first what it is for and is in the
sidebar, and every relative link leads somewhere."""
import importlib, inspect, json, pkgutil, re, sys
from pathlib import Path

import yaml
import pcam_nb

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


def dead_links(pages):
    "Relative links that lead nowhere"
    for page in pages:
        bare = re.sub(r'```.*?```|`[^`]*`', '', text(page), flags=re.S)
        for link in re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', bare):
            link = ''.join(link).split('#')[0]
            if link and not re.match(r'https?:|mailto:|data:', link) and not (page.parent/link).exists(): yield f'{page.relative_to(root)}: {link}'


def in_sidebar(o):
    "All pages that the sidebar names"
    if isinstance(o, str): return [o]
    if isinstance(o, list): return [p for part in o for p in in_sidebar(part)]
    return in_sidebar(o.get('contents', []))


if __name__=='__main__':
    pages = [o for o in sorted([*nbs.rglob('*.ipynb'), *nbs.rglob('*.qmd')]) if '.ipynb_checkpoints' not in o.parts]
    listed = in_sidebar(yaml.safe_load((nbs/'sidebar.yml').read_text())['website']['sidebar'])
    bad = [f'{o}: no docstring' for o in without_docstring()]
    bad += without_summary(pages)
    bad += dead_links([*pages, *root.glob('*.md'), *root.glob('bench/*.md')])
    bad += [f'{o}: once in the sidebar, or once in nbs' for o in sorted({str(o.relative_to(nbs)) for o in pages}^set(listed))]
    bad += [f'{o}: twice in the sidebar' for o in sorted({o for o in listed if listed.count(o)>1})]
    print('\n'.join(bad) or f'{len(pages)} pages, all names described, all links lead somewhere')
    sys.exit(bool(bad))
