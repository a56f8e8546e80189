"""Accuracy: contenders trained on the same patches for the same time, or the same number of epochs, judged on three disjoint holdouts.

python bench/accuracy.py --data KAGGLE_FOLDER [--minutes 6] [--epochs 10] [--only d4net,patchcnn] [--pause FILE]

With `--minutes` nothing else should run meanwhile; the trainings wait, and their clock stands, while there is a file of the name that `--pause` gives. What is done is
kept in results/, so that an interrupted run goes on where it was, and contenders of fewer holdouts are compared on those.
"""
import json
from itertools import takewhile
from pathlib import Path

from common import finish, kaggle_folder
from contenders import CONTENDERS, predict, training_arguments
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from pcam_nb.metrics import ece, intervals
from pcam_nb.page import Plot
from pcam_nb.store import open_store
from pcam_nb.train import Recipe


def holdouts(store, folds):
    "Disjoint holdouts of a fifth each, and the rest"
    split = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(store)), store.table.label.astype(int))
    return [(tr,va) for tr,va in split][:folds]


def file_of(kept, name, fold): return kept/f"{name.replace(' ','_')}_{fold}.json"


def done(kept, name):
    "The files of the holdouts of a contender, up to the first that is not there"
    return list(takewhile(Path.is_file, (file_of(kept, name, fold) for fold in range(5))))


def run(contenders, path, store, args, kept):
    "Train the contenders of `args.only` on all folds that are not in `kept`, a folder; one JSON file each"
    for fold,(tr,va) in enumerate(holdouts(store, args.folds)):
        for name in args.only.split(','):
            file = file_of(kept, name, fold)
            if file.is_file(): continue
            net,prepare,epochs,seconds = contenders[name](path, store, tr, va, args)
            x = prepare(store.patches[va])
            p,ms = predict(net, x)
            found = dict(rows=va.tolist(), p=p.round(6).tolist(), ms=ms, epochs=epochs, seconds=seconds, parameters=sum(o.numel() for o in net.parameters()))
            if name!='small CNN of the study' and not getattr(net, 'invariant', False): found['p8'] = predict(net, x, 8)[0].round(6).tolist()
            file.write_text(json.dumps(found))
            print(f"  holdout {fold+1}, {name}: AUC {roc_auc_score(store.table.label[va].astype(int), p):.4f}, {epochs:.1f} epochs, {seconds:.0f} s", flush=True)


def pooled(store, kept, names, most):
    "Name to labels, probabilities and what else was measured, over the first holdouts, at most `most`; of times, the median"
    res = {}
    for name in names:
        runs = [json.loads(o.read_text()) for o in done(kept, name)[:most]]
        if not runs: continue
        y = store.table.label.iloc[np.concatenate([o['rows'] for o in runs])].to_numpy(int)
        usual = {k:float(np.median([o[k] for o in runs])) for k in ('ms','epochs','seconds','parameters')}
        res[name] = dict(y=y, p=np.concatenate([o['p'] for o in runs]), holdouts=len(runs), **usual)
        if 'p8' in runs[0]: res[f'{name} + 8-way averaging'] = dict(res[name], p=np.concatenate([o['p8'] for o in runs]), ms=8*usual['ms'])
    return res


def with_difference(r, own):
    "AUC of a contender, and how far `own` is above it on the same holdouts, each with its 95 % interval"
    y,ps = r['y'],[r['p'], own['p'][:len(r['p'])]]
    auc,auc_own = [roc_auc_score(y, p) for p in ps]
    return (auc, *intervals(y, ps[0], rounds=2000)['auc']),(auc_own-auc, *intervals(y, ps, rounds=2000)['auc'])


def plot(found):
    "AUCs with the ends of their intervals, the best on top"
    names = sorted(found, key=lambda k: found[k][0])
    auc,low,high = np.array([found[k] for k in names]).T
    fig = Plot(8, .4*len(names)+.9)
    ax = fig.subplots()
    ax.errorbar(auc, range(len(names)), xerr=np.abs([low-auc, high-auc]), fmt='o', capsize=3, c='#1f5fa8')
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel='AUC, 95 % interval')
    ax.grid(axis='x', alpha=.3)
    return fig


def compare(name, contenders, own, args):
    "Train the `contenders` and write a table of them, with differences to the one that is called `own`"
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store', progress=False)
    name += f'_{args.epochs}_epochs' if args.epochs else f'_{args.minutes:g}_minutes'
    kept = Path(args.out)/name
    kept.mkdir(parents=True, exist_ok=True)
    run(contenders, path, store, args, kept)
    own = own if done(kept, own) else next(o for o in contenders if done(kept, o))
    res = pooled(store, kept, contenders, len(done(kept, own)))
    found,rows = {},[]
    for k,r in res.items():
        y,p = r['y'],r['p']
        (auc,low,high),(ahead,dlow,dhigh) = with_difference(r, res[own])
        found[k if r['holdouts']==res[own]['holdouts'] else f"{k}, holdouts: {r['holdouts']}"] = auc,low,high
        row = {'':k, 'holdouts':r['holdouts'], 'AUC':f'{auc:.4f}', '95 %':f'{low:.4f}–{high:.4f}',
            f'{own} minus this':'' if k==own else f'{ahead:+.4f} ({dlow:+.4f} to {dhigh:+.4f})',
            'accuracy':f'{accuracy_score(y, p>.5):.3f}', 'F1':f'{f1_score(y, p>.5):.3f}', 'ECE':f'{ece(y, p):.3f}', 'parameters':f"{r['parameters']:,.0f}"}
        if args.minutes: row |= {'epochs':f"{r['epochs']:.1f}", 'training, s':f"{r['seconds']:.0f}", 'ms a patch':f"{r['ms']:.2f}"}
        rows.append(row)
    if len(res)>2: (Path(args.out)/f'{name}.png').write_bytes(plot(found).png(110))
    finish(name, args, rows)


def main():
    compare('accuracy', CONTENDERS, Recipe().arch, training_arguments(__doc__, 4800, folds=3, only=','.join(CONTENDERS)))


if __name__=='__main__': main()
