"""Which attribution maps point at what a prediction depends on? Deletion, insertion and randomisation, beside random and centre-first orders.

python bench/maps.py RUN --data STORE [--patches 200]

RUN: a run; STORE: the store that it was trained on, or another labelled one (default: synthetic patches, and a short training).
"""
import argparse, json, tempfile
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import t
from common import machine
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
    if 'Grad-CAM' in attribution_methods(predictor): named['Grad-CAM'] = grad_cam
    return named


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
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('run', nargs='?')
    p.add_argument('--data')
    p.add_argument('--patches', type=int, default=200)
    p.add_argument('--out', default=str(Path(__file__).parent/'results'))
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        if args.run: run,store = Run.of(args.run),Store(args.data)
        else:
            store = open_store(make_sample(Path(tmp)/'data', train=600, test=0, slides=12, progress=False), Path(tmp)/'store', progress=False)
            run = train(store, Path(tmp)/'run', Recipe(epochs=3, bs=32), device='cpu', progress=False)
        predictor,rows = Predictor.load(run, 'cpu'),held_out(run, store.table)[0]
        of = lambda label: np.stack([store.patches[i] for i in rows[(store.table.label.iloc[rows]==label).to_numpy(bool)][:args.patches]])
        x = dict(tumour=of(1), normal=of(0))
        covers = lambda n: x['normal'][np.random.default_rng(0).permutation(len(x['normal']))[np.arange(n)%len(x['normal'])]]
        found = dict(arch=run.config.arch, patches=dict(tumour=len(x['tumour']), normal=len(x['normal'])), glass=baseline_probability(predictor),
                     mean_colour=baseline_probability(predictor, np.round(255*np.array(predictor.config.mean)).astype(int)), machine=machine())
        print(found)
        found['table'] = judge(predictor, x['tumour'], covers(len(x['tumour'])))
        found['normal'] = judge(predictor, x['normal'], covers(len(x['normal']))[::-1])
        Path(args.out).mkdir(parents=True, exist_ok=True)
        file = Path(args.out)/f'maps_{run.config.arch}.json'
        file.write_text(json.dumps(found, indent=1)+'\n')
        print(file)


if __name__=='__main__': main()
