"""Pages that stand in two places: README.md is nbs/index.ipynb, cell by cell; the site has CHANGELOG.md, CONTRIBUTING.md and bench/README.md as pages.

With --write, write the copies; else exit with 1 if one is out of date.
"""
import json, re, sys
from pathlib import Path

root = Path(__file__).parents[1]
PAGES = dict(changelog=('CHANGELOG.md','What has changed, version by version.'),
             contributing=('CONTRIBUTING.md','From a clone to a merged change.'),
             benchmarks=('bench/README.md','How fast and how good it is, measured side by side with what people use otherwise.'))


def source(cell): return ''.join(cell['source']).strip()


def markdown(cell):
    "A cell as it stands in the README: text with links that hold at the top level, code in a fence"
    if cell['cell_type']=='markdown': return re.sub(r'\]\(((?:images/|\w+\.(?:ipynb|qmd)|(?:tutorials|explanations)/)[^)]*)\)', r'](nbs/\1)', source(cell))
    return '' if source(cell).startswith('#| hide') else f'```python\n{source(cell)}\n```'


def readme():
    cells = json.loads((root/'nbs/index.ipynb').read_text(encoding='utf-8'))['cells']
    text = '\n\n'.join(o for o in map(markdown, cells) if o)
    return '<!-- Made from nbs/index.ipynb by .ci/readme.py -->\n\n'+text+'\n'


def page(file, what):
    "A file of the repository as a page of the site"
    title,text = (root/file).read_text(encoding='utf-8').split('\n', 1)
    text = re.sub(r'\]\(results/', '](images/', text.strip())
    return f'---\ntitle: {title.removeprefix("# ")}\ndescription: {what}\n---\n<!-- Made from {file} by .ci/readme.py -->\n\n{text}\n'


def copies():
    "What has to stand where: file to bytes"
    texts = {root/'README.md':readme(), **{root/f'nbs/{k}.qmd':page(*v) for k,v in PAGES.items()}}
    pictures = {root/'nbs/images'/o.name:o.read_bytes() for o in sorted((root/'bench/results').glob('*.png'))}
    return {**{k:v.encode() for k,v in texts.items()}, **pictures}


if __name__=='__main__':
    for file,data in copies().items():
        if '--write' in sys.argv: file.write_bytes(data)
        elif not file.is_file() or file.read_bytes()!=data: sys.exit(f'{file.relative_to(root)} is out of date: python .ci/readme.py --write')
