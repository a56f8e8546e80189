"""Stain normalisation or augmentation: networks trained on patches as they are, or by Reinhard's or Macenko's method, with more or less colour augmentation, and judged on held-out patches of other stainings.

python bench/normalise.py --data KAGGLE_FOLDER [--arch patchcnn] [--epochs 12] [--folds 2] [--only 'NAME;NAME'] [--kept FOLDER]

A laboratory is all held-out patches, changed in the same way. Some changes are of the kind that stain augmentation draws, the amount of each stain; the others are not: other stain vectors, hue, gamma, and the balance of
the scanner's channels. The probabilities of what is done are kept in `--kept`, so that an interrupted run goes on where it was. Without `--data` the patches are synthetic.
"""
import json, tempfile
from pathlib import Path

from accuracy import holdouts
from common import finish, kaggle_folder
from contenders import predict, project, training_arguments
import numpy as np, torch
from ood import hue, stain, whole
from pretrained import ARCH, WEIGHTS
from sklearn.metrics import accuracy_score, roc_auc_score
from pcam_nb.augment import stain_basis, to_planes
from pcam_nb.stain import stains
from pcam_nb.store import open_store

MACENKO = np.array([[.5626,.7201,.4062],[.2159,.8012,.5581]]) # Reference vectors of Macenko's own program: haematoxylin, eosin
RUIFROK = stain_basis().numpy()[:2]
PLAIN,COLOUR = dict(stain=0, strong_stain=0),dict(strong_colour=.25)
WAYS = {'none':{}, 'none, strong colour .1':dict(strong_colour=.1), 'none, strong colour .25':COLOUR, 'none, strong colour .5':dict(strong_colour=.5), 'none, no stain augmentation':PLAIN}
WAYS |= {f'{how}{say}':dict(normalise=how, **more) for how in ('reinhard','macenko') for say,more in {'':{}, ', strong colour .25':COLOUR, ', no stain augmentation':PLAIN}.items()}


def vectors(to):
    "Another laboratory's haematoxylin and eosin, in the amounts of each pixel"
    def f(x, rng):
        od = -np.log((x.astype(np.float32)+1)/256)
        he,_,enough = stains(-(to_planes(torch.from_numpy(x))/255).clamp_min(1/255).flatten(2).log())
        own,new = [np.stack([*o, np.cross(*o)]) for o in (he[enough].median(0)[0].numpy().T, to)]
        own,new = [o/np.linalg.norm(o, axis=1, keepdims=True) for o in (own, new)]
        return whole(256*np.exp(-(od@np.linalg.inv(own)@new).clip(0))-1)
    return f


def gamma(by): return lambda x, rng: whole(255*(x/255.)**by)
def balance(*by): return lambda x, rng: whole(x*np.array(by))


AMOUNTS = {'stain ×0.6':stain(.6,.6,.6), 'stain ×1.6':stain(1.6,1.6,1.6), 'haematoxylin ×0.6, eosin ×1.4':stain(.6,1.4,1), 'haematoxylin ×1.4, eosin ×0.6':stain(1.4,.6,1)}
OTHERS = {"Macenko's vectors":vectors(MACENKO), "Ruifrok's vectors":vectors(RUIFROK), 'hue +20°':hue(14), 'hue −20°':hue(-14), 'gamma 0.7':gamma(.7), 'gamma 1.5':gamma(1.5),
          'warm, blue ×0.85':balance(1,.96,.85), 'cold, red ×0.85':balance(.85,.96,1)}


def seen(name, fold, path, store, tr, va, args):
    "Probabilities of the held-out patches, as they are and in each laboratory, of a network trained for `args.epochs`"
    file = Path(args.kept)/f"{args.arch}_{name.replace(' ', '_')}_{args.epochs}_{fold}.json"
    if file.is_file(): return json.loads(file.read_text())
    pretrained = dict(weights=WEIGHTS) if args.arch==ARCH else {}
    net,prepare,_,seconds = project(args.arch, **pretrained, **WAYS[name])(path, store, tr, va, args)
    x = np.array(store.patches[va])
    p = {k:predict(net, prepare(f(x, np.random.default_rng(1))))[0].tolist() for k,f in {'untouched':lambda x,_: x, **AMOUNTS, **OTHERS}.items()}
    file.write_text(json.dumps(dict(p=p, seconds=seconds)))
    print(f"  holdout {fold+1}, {name}: untouched {roc_auc_score(store.table.label[va].astype(int), p['untouched']):.4f}, {seconds:.0f} s", flush=True)
    return dict(p=p, seconds=seconds)


def mean_auc(y, ps): return np.mean([roc_auc_score(y, p) for p in ps])


def differences(y, ps, against, rounds=1000):
    "How far the mean AUC over laboratories is above another's, with its 95 % interval: paired bootstrap over patches"
    rng,found = np.random.default_rng(0),[]
    for _ in range(rounds):
        i = rng.integers(0, len(y), len(y))
        found.append(mean_auc(y[i], ps[:,i])-mean_auc(y[i], against[:,i]))
    return (mean_auc(y, ps)-mean_auc(y, against), *np.percentile(found, [2.5,97.5]))


def main():
    args = training_arguments(__doc__, 4800, arch='patchcnn', folds=2, epochs=12, only=';'.join(WAYS), kept='')
    with tempfile.TemporaryDirectory() as tmp:
        args.kept = args.kept or tmp
        Path(args.kept).mkdir(parents=True, exist_ok=True)
        path,keep = kaggle_folder(args.data, args.n)
        store,res,rows = open_store(path, path.parent/'store', progress=False),{},[]
        parts = holdouts(store, args.folds)
        y = store.table.label.iloc[np.concatenate([va for _,va in parts])].to_numpy(int)
        for name in args.only.split(';'): # All holdouts of one before the next
            found = [seen(name, i, path, store, tr, va, args) for i,(tr,va) in enumerate(parts)]
            p = {k:np.concatenate([o['p'][k] for o in found]) for k in found[0]['p']}
            other = np.stack([p[k] for k in (*AMOUNTS, *OTHERS)])
            res[name] = other
            row = {'':name, 'AUC, untouched':f"{roc_auc_score(y, p['untouched']):.4f}"}
            row |= {f'{k}, mean AUC':f'{mean_auc(y, np.stack([p[o] for o in changes])):.4f}' for k,changes in {'amounts of stain':AMOUNTS, 'other changes':OTHERS}.items()}
            ahead,low,high = differences(y, other, next(iter(res.values())))
            row |= {'all, to the first row':f'{ahead:+.4f} ({low:+.4f} to {high:+.4f})' if len(res)>1 else '', 'worst':f'{min(roc_auc_score(y, o) for o in other):.4f}',
                    'laboratories in one set, AUC':f'{roc_auc_score(np.tile(y, len(other)), other.ravel()):.4f}', 'accuracy at .5':f'{accuracy_score(np.tile(y, len(other)), other.ravel()>.5):.3f}',
                    'training, s':f"{np.median([o['seconds'] for o in found]):.0f}"}
            rows.append(row)
            print(row, flush=True)
    args.kept = ''
    finish(f'normalise_{args.arch}', args, rows)


if __name__=='__main__': main()
