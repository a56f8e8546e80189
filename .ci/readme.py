"""Pages that are made of others: README.md is nbs/index.ipynb, cell by cell; the site has CHANGELOG.md, CONTRIBUTING.md and bench/README.md as pages; the
page of commands is what their parsers say; llms.txt lists the pages, as llmstxt.org describes it.

With --write, write the copies; else exit with 1 if one is out of date.
"""
import json, re, sys
from configparser import ConfigParser
from pathlib import Path

import yaml

root = Path(__file__).parents[1]
PAGES = dict(changelog=('CHANGELOG.md','What has changed, version by version.'),
             contributing=('CONTRIBUTING.md','From a clone to a merged change.'),
             benchmarks=('bench/README.md','How fast and how good it is, measured side by side with what people use otherwise.'))


def source(cell): return ''.join(cell['source']).strip()


def markdown(cell):
    "A cell as it stands in the README: text with links that hold at the top level, code in a fence"
    if cell['cell_type']!='markdown': return '' if source(cell).startswith('#| hide') else f'```python\n{source(cell)}\n```'
    text = re.sub(r'\]\((\w+)\.qmd\)', lambda m: f']({PAGES[m[1]][0]})' if m[1] in PAGES else m[0], source(cell))
    return re.sub(r'\]\(((?:images/|\w+\.(?:ipynb|qmd)|(?:tutorials|explanations)/)[^)]*)\)', r'](nbs/\1)', text)


def readme():
    cells = json.loads((root/'nbs/index.ipynb').read_text(encoding='utf-8'))['cells']
    text = '\n\n'.join(o for o in map(markdown, cells) if o)
    return '<!-- Made from nbs/index.ipynb by .ci/readme.py -->\n\n'+text+'\n'


def page(file, what):
    "A file of the repository as a page of the site"
    title,text = (root/file).read_text(encoding='utf-8').split('\n', 1)
    text = re.sub(r'\]\(results/', '](images/', text.strip())
    return f'---\ntitle: {title.removeprefix("# ")}\ndescription: {what}\n---\n<!-- Made from {file} by .ci/readme.py -->\n\n{text}\n'


def escaped(text): return text.replace('|', '\\|')


def options(group):
    "The arguments of a group of a parser as a table"
    shown = [o for o in group._group_actions if o.dest!='help']
    if not shown: return ''
    name = lambda o: ', '.join(f'`{k}`' for k in o.option_strings) or f'`{o.metavar}`'
    rows = [f"| {name(o)} | {escaped(o.help)} |" for o in shown]
    return '\n'.join([f"| {group.title.removeprefix('positional ')} | {'meaning':<72} |", '|---|---------|', *rows]) # Pandoc takes widths from the dashes where a line is that long


def commands():
    "The page of commands: description, example and options of each"
    from pcam_nb import cli
    from pcam_nb.command import make_parser
    names = [o for o in vars(cli) if o.startswith('pcam_') and callable(getattr(cli, o))]
    text = ['---', 'title: Commands', 'description: Every command, with an example and all its options.', '---', '<!-- Made from the parsers by .ci/readme.py -->', '',
            'Each command says the same with `--help`. It ends with the exit code 0 (done), 1 (failed, with one sentence) or 2 (done, except for patches that `--skip-bad` left out, which `skipped.csv` lists, or slides that could not be read, which `failed.csv` lists).']
    for name in names:
        p = make_parser(getattr(cli, name).__wrapped__)
        text += ['', f'## {name}', f'{p.description}.', '', '```sh', p.epilog.removeprefix('Example: '), '```', '', '\n\n'.join(filter(None, map(options, p._action_groups)))]
    return '\n'.join(text)+'\n'


def pages(o):
    "Section and file of each page of the sidebar"
    if isinstance(o, list): return [p for part in o for p in pages(part)]
    if isinstance(o, str) or 'href' in o: return [('', o if isinstance(o, str) else o['href'])]
    return [(o['section'], file) for _,file in pages(o['contents'])]


def sidebar(): return pages(yaml.safe_load((root/'nbs/sidebar.yml').read_text(encoding='utf-8'))['website']['sidebar']['contents'])


def about(file):
    "Title of a page, and the sentence that says what it is for"
    text = (root/'nbs'/file).read_text(encoding='utf-8')
    if file.endswith('.qmd'): return [re.search(rf'(?m)^{k}: *(.+)$', text)[1] for k in ('title','description')]
    return re.match(r'# (.+)\n+> (.+)', source(next(o for o in json.loads(text)['cells'] if o['cell_type']=='markdown'))).groups()


def llms():
    "The pages of the site, for programs that read text"
    parser = ConfigParser(delimiters=['='], interpolation=None)
    parser.read(root/'settings.ini', encoding='utf-8')
    cfg,text,last = parser['DEFAULT'],[],''
    for section,file in sidebar():
        if section!=last: text += ['', f'## {section}', '']
        title,what = about(file)
        address = re.sub(r'(^|/)\d\d_', r'\1', file.rsplit('.', 1)[0])
        text.append(f"- [{title}]({cfg['doc_host']}{cfg['doc_baseurl']}/{address}.html): {what}")
        last = section
    return f"# {cfg['title']}\n\n> {cfg['description']}. Research use only; not a medical device.\n\n"+'\n'.join(text).strip()+'\n'


def copies():
    "What has to stand where: file to bytes"
    texts = {root/'README.md':readme(), root/'nbs/commands.qmd':commands(), root/'nbs/llms.txt':llms(), **{root/f'nbs/{k}.qmd':page(*v) for k,v in PAGES.items()}}
    pictures = {root/'nbs/images'/o.name:o.read_bytes() for o in sorted((root/'bench/results').glob('*.png'))}
    return {**{k:v.encode() for k,v in texts.items()}, **pictures}


if __name__=='__main__':
    for file,data in copies().items():
        if '--write' in sys.argv: file.write_bytes(data)
        elif not file.is_file() or file.read_bytes()!=data: sys.exit(f'{file.relative_to(root)} is out of date: python .ci/readme.py --write')
