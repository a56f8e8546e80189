"""Write bench/README.md from the newest results."""
import json
from pathlib import Path

from common import HERE, markdown

SECTIONS = [
    ('loader', 'Loading', 'How many patches a second reach the network, ready to use. Peers decode every file again in every epoch; `pcam_nb` gathers whole batches '
     'from its store.'),
    ('train', 'Training', 'Patches a second of a whole training epoch, augmentation and all. The ceiling is the same network in plain torch on one batch that is '
     'already there: what is left if the data path costs nothing.'),
    ('infer', 'Predicting', 'A folder of TIFFs to probabilities. The network alone, on batches that are in memory, is what a perfect data path would reach.'),
    ('pack', 'Packing', 'Files to a store, once.'),
    ('scale', 'Growth', 'One epoch of loading, with D4 and stain variation, from stores of random patches on disk, up to the size of the whole Kaggle training set '
     '(6.1 GB). Own memory is what no file stands behind.\n\n![Seconds an epoch over patches in the store](results/scale.png)'),
]
HEAD = """# Benchmarks

Each script measures `pcam_nb` and what people use otherwise side by side in one run: the contenders take turns, the first round only warms up, and tables give
the median of the rounds, the smallest and the largest. A ratio is the median of the ratios within each round. Compare ratios: the absolute figures belong to
the machine. `--data FOLDER` takes a Kaggle folder instead of drawn patches, `--device cuda` a graphics card (without one the scripts say "no CUDA device").
All that was measured is in `results/`. This page is written by `python bench/readme.py`.
"""


def section(name, title, text):
    "One benchmark, on every device that it was measured on"
    lines = [f'## {title}', text]
    for file in sorted((HERE/'results').glob(f'{name}*.json')):
        r = json.loads(file.read_text())
        args = {k:v for k,v in r['arguments'].items() if v not in ('',None)}
        command = ' '.join([f'python bench/{name}.py', *(f"--{k.replace('_','-')} {v}" for k,v in args.items()),
                            *(['--data KAGGLE_FOLDER'] if r['patches']=='real' else [])])
        m = r['machine']
        where = ', '.join([m.get('gpu', m['cpu']), *(f'{k} {m[k]}' for k in ('python','torch','torchvision','fastai'))])
        lines += [f'`{command}`', f"On {'drawn' if r['patches']=='drawn' else 'real'} patches; {where}.", markdown(r['table'])]
        if 'eight' in r: lines.append(f"8-way averaging takes {r['eight']:.2f} times as long as one look.")
    return '\n\n'.join(lines)


if __name__=='__main__':
    there = [o for o in SECTIONS if list((HERE/'results').glob(f'{o[0]}*.json'))]
    (HERE/'README.md').write_text('\n\n'.join([HEAD.strip(), *(section(*o) for o in there)])+'\n')
