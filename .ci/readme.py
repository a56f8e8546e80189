"""README.md is nbs/index.ipynb, cell by cell. With --write, write it; else exit with 1 if it is out of date."""
import json, re, sys
from pathlib import Path

root = Path(__file__).parents[1]

def source(cell): return ''.join(cell['source']).strip()

def markdown(cell):
    "A cell as it stands in the README: text with links that hold at the top level, code in a fence"
    if cell['cell_type']=='markdown': return re.sub(r'\]\((images/[^)]+)\)', r'](nbs/\1)', source(cell))
    return '' if source(cell).startswith('#| hide') else f'```python\n{source(cell)}\n```'

def readme():
    cells = json.loads((root/'nbs/index.ipynb').read_text(encoding='utf-8'))['cells']
    text = '\n\n'.join(o for o in map(markdown, cells) if o)
    return '<!-- Made from nbs/index.ipynb by .ci/readme.py -->\n\n'+text+'\n'

if __name__=='__main__':
    file = root/'README.md'
    if '--write' in sys.argv: file.write_text(readme(), encoding='utf-8')
    elif not file.exists() or file.read_text(encoding='utf-8')!=readme(): sys.exit('README.md is not what nbs/index.ipynb says: python .ci/readme.py --write')
