"""Which attribution maps point at what a prediction depends on? Deletion, insertion and randomisation, beside random and centre-first orders.

python bench/maps.py --run RUN --data STORE [--n 200]

RUN: a run; STORE: the store that it was trained on, or another labelled one (default: synthetic patches, and a short training).
"""
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import t
from common import arguments, finish
from pcam_nb.evaluate import held_out
from pcam_nb.explain import attribution_methods, baseline_probability, GLASS, grad_cam, integrated, occlusion
from pcam_nb.faithful import centre_first, map_similarity, perturbation_curve, randomised, square_scores
from pcam_nb.infer import Predictor
from pcam_nb.run import Run
from pcam_nb.sample import make_sample
from pcam_nb.store import open_store, Store
from pcam_nb.train import Recipe, train


def methods(predictor):
    "Methods by name; those of the product, and the same with the mean colour as cover"
    mean = np.round(255*np.array(predictor.config.mean)).astype(int)
    named = {'occlusion, glass':occlusion, 'occlusion, 32 px, glass':partial(occlusion, window=32), 'occlusion, mean colour':partial(occlusion, cover=mean)}
    if 'integrated gradients' in attribution_methods(predictor): named |= {'integrated gradients, glass':integrated, 'integrated gradients, mean colour':partial(integrated, cover=mean)}
    return named|{'Grad-CAM':grad_cam}


def with_interval(v):
    "Mean of N numbers and its 95 % interval"
    v = np.asarray(v)[np.isfinite(v)]
    if len(v)<2: return '–'
    wide = t.ppf(.975, len(v)-1)*v.std(ddof=1)/len(v)**.5
    return f'{v.mean():+.3f} ({v.mean()-wide:+.3f} to {v.mean()+wide:+.3f})'


def judge(predictor, x, normals, rounds=3):
    "A row a method: how much better its curves are than those of random and of centre-first orders, by which cover, and how alike maps of random weights are"
    covers,rows = dict(glass=GLASS, tissue=normals),[]
    area = lambda scores, cover, insert: perturbation_curve(predictor, x, scores, cover, insert).mean(1)
    base = {}
    for name,cover in covers.items():
        for insert in (False,True):
            base[name,insert] = dict(random=np.mean([area(np.random.default_rng(i).random((len(x),36)), cover, insert) for i in range(rounds)], 0),
                                     centre=np.mean([area(centre_first(len(x), seed=i), cover, insert) for i in range(rounds)], 0))
    other = randomised(predictor)
    for method,f in methods(predictor).items():
        maps = f(predictor, x)
        row = {'':method}
        for name,cover in covers.items():
            for insert in (False,True):
                own,sign = area(square_scores(maps), cover, insert),1 if insert else -1
                for k,v in base[name,insert].items(): row[f"{'insertion' if insert else 'deletion'}, {name}, better than {k}"] = with_interval(sign*(own-v))
        row['blank maps'] = f'{np.mean(abs(maps).max((1,2))<1e-9):.0%}'
        row['alike with random weights'] = with_interval(map_similarity(maps, f(other, x)))
        rows.append(row)
        print(row, flush=True)
    return rows


def main():
    args = arguments(__doc__, 200, run='')
    with tempfile.TemporaryDirectory() as tmp:
        if args.run: run,store = Run.of(args.run),Store(args.data)
        else:
            store = open_store(make_sample(Path(tmp)/'data', train=600, test=0, slides=12, progress=False), Path(tmp)/'store', progress=False)
            run = train(store, Path(tmp)/'run', Recipe(epochs=3, bs=32), device='cpu', progress=False)
        predictor,rows = Predictor.load(run, 'cpu'),held_out(run, store.table)[0]
        of = lambda label: np.stack([store.patches[i] for i in rows[(store.table.label.iloc[rows]==label).to_numpy(bool)][:args.n]])
        x = dict(tumour=of(1), normal=of(0))
        covers = lambda n: x['normal'][np.random.default_rng(0).permutation(len(x['normal']))[np.arange(n)%len(x['normal'])]]
        mean = np.round(255*np.array(predictor.config.mean)).astype(int)
        start = dict(glass=baseline_probability(predictor), mean_colour=baseline_probability(predictor, mean))
        print(start)
        tables = [[{k or label:v for k,v in o.items()} for o in judge(predictor, x[label], covers(len(x[label])))] for label in ('tumour','normal')]
        args.run = 'RUN' if args.run else '' # Where it lay is nobody's business
        finish(f'maps_{run.config.arch}', args, tables[0], more=tables[1:], start=start)


if __name__=='__main__': main()
