"""Do the intervals, target sensitivities and the search for leaks do what they should? Simulated sets whose truth is known, and planted copies of real patches.

python bench/reliability.py [--sets 500] [--data KAGGLE_FOLDER]
"""
import io, time, warnings
from functools import partial

from common import arguments, finish, kaggle_folder
import numpy as np
from scipy.stats import norm
from PIL import Image, ImageEnhance, ImageFilter
from pcam_nb.clustered import simulate_slides
from pcam_nb.metrics import coverage, intervals
from pcam_nb.threshold import targets_met
from pcam_nb.copies import find_copies, fingerprints
from pcam_nb.core import in_processes
from pcam_nb.store import open_store

def effect(auc, alike=1.): return float(norm.ppf(auc)*np.sqrt(2*(1+alike**2)))


def sizes(rng, slides): return np.exp(rng.uniform(0, np.log(5000), slides)).astype(int)+1


def unequal(rng, slides, **world): return simulate_slides(rng, slides, sizes(rng, slides), **world)


def lognormal(rng, slides): return np.maximum(rng.lognormal(np.log(20), 1, slides).astype(int), 1)


WORLDS = {'independent patches, 300':dict(slides=300, patches=1, alike=0.), '20 slides of 20 patches':dict(slides=20), '40 slides of 20 patches':dict(slides=40),
          '100 slides of 10 patches':dict(slides=100, patches=10), '10 slides, 5 positive, AUC .999':dict(slides=10, positive=5, effect=effect(.999)),
          '10 slides, 5 positive, AUC .99':dict(slides=10, positive=5, effect=effect(.99)), '10 slides, 5 positive, AUC .99, ICC .2':dict(slides=10, positive=5, alike=.5, effect=effect(.99, .5)),
          '5 slides, 2 positive, AUC .99':dict(slides=5, positive=2, effect=effect(.99)), '100 slides, 3 positive, AUC .99':dict(slides=100, positive=3, effect=effect(.99)),
          '10 slides, 5 positive, AUC .99999':dict(slides=10, positive=5, effect=effect(.99999)), '20 slides of 1–5,000 patches':dict(slides=20, draw=unequal, effect=effect(.97))}
TARGET_WORLDS = {f'{n} slides with tumour{name}':dict(slides=n, tumours=tumours) for n in (20,50,100,200) for name,tumours in (('',20),(', of unequal size',lognormal))}


def held(world, by_slide, job): return coverage(job[1], by_slide, seed=job[0], **world)


def share_held(args, world, by_slide):
    "Share of intervals that hold the true metric, of those that are offered; AUC, recall, specificity"
    jobs = [(1000*i, args.sets//10) for i in range(10)]
    parts = list(in_processes(partial(held, world, by_slide), jobs))
    total = {k:sum(o[k]['offered'] for o in parts) for k in parts[0]}
    mean = lambda k, what: sum(o[k][what]*o[k]['offered'] for o in parts if o[k]['offered'])/total[k] if total[k] else None
    return {k:dict(held=mean(k, 'held'), wide=mean(k, 'wide'), offered=total[k]/len(parts)) for k in parts[0]}


def met(sets, target, world, icc): return targets_met(sets, sensitivity=target, icc=icc, **world)


def jpeg(quality):
    def change(im):
        f = io.BytesIO()
        im.save(f, 'JPEG', quality=quality)
        return Image.open(f)
    return change

def moved(px): return lambda im: Image.fromarray(np.pad(np.array(im), ((px,0),(px,0),(0,0)), 'reflect')[:96,:96])

turned = lambda im: im.transpose(Image.Transpose.ROTATE_90).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
CHANGES = {'identical':lambda im: im, 'turned':turned, 'JPEG, quality 95':jpeg(95), 'JPEG, quality 70':jpeg(70), 'turned and JPEG, quality 90':lambda im: jpeg(90)(turned(im)),
           'brightness ×1.1':lambda im: ImageEnhance.Brightness(im).enhance(1.1), 'brightness ×.8':lambda im: ImageEnhance.Brightness(im).enhance(.8),
           'contrast ×1.1':lambda im: ImageEnhance.Contrast(im).enhance(1.1), 'contrast ×1.2':lambda im: ImageEnhance.Contrast(im).enhance(1.2),
           'blur, radius 1':lambda im: im.filter(ImageFilter.GaussianBlur(1)), '48 px and back':lambda im: im.resize((48,48)).resize((96,96)),
           'overlapping patches, 2 px apart':moved(2), 'overlapping patches, 8 px apart':moved(8)}


def guard(store):
    "Share of copies that are found, for each kind of copy; of pairs of different patches, how many are called copies, and how many there are"
    x = np.array(store.patches)
    stored = fingerprints(x).astype(np.float16).astype(np.float32) # As a run keeps them
    rows = np.random.default_rng(0).permutation(len(x))[:2000]
    found = {}
    for name,change in CHANGES.items():
        pairs = find_copies(fingerprints(np.stack([np.array(change(Image.fromarray(x[i])).convert('RGB')) for i in rows])), stored)
        found[name] = float((pairs.b==rows[pairs.a]).sum()/len(rows))
    pairs = find_copies(stored, stored).query('a<b')
    wrong = sum(not (x[a]==x[b]).all() for a,b in zip(pairs.a, pairs.b))
    return found, wrong, len(x)*(len(x)-1)//2


def main():
    args = arguments(__doc__, 4800, sets=500, patches=57_458)
    rows = []
    def say(what, value):
        rows.append({'':what, 'found':value})
        print(f'  {what}: {value}', flush=True)
    for name,world in WORLDS.items():
        for by_slide in (True,False) if world.get('patches')!=1 else (True,):
            found = share_held(args, world, by_slide)
            tell = lambda o: '– (too few slides)' if o['held'] is None else f"{o['held']:.1%}"+(f" ({o['offered']:.0%} offered)" if o['offered']<1 else '')
            say(f"95 % intervals that hold the true AUC; recall; specificity: {name}{'' if by_slide else ', as if patches were independent'}", '; '.join(map(tell, found.values())))
    for target in (.8,.9,.95,.98):
        for name,world in TARGET_WORLDS.items():
            found = list(in_processes(partial(met, args.sets, target, world), (0.,.1,.3,.5)))
            if not any(o for _,o in found): continue
            say(f'a target sensitivity of {target:.0%} is kept, with ICC 0; .1; .3; .5: {name}', '; '.join(f'{k:.1%}'+(f' ({o:.0%} offered)' if o<1 else '') if o else '–' for k,o in found))
    found = list(in_processes(partial(met, args.sets, .95, dict(slides=100, tumours=20, by_slide=False)), (0.,.1,.3,.5)))
    say('a target sensitivity of 95% is kept, with ICC 0; .1; .3; .5: 100 slides with tumour, patches as if independent', '; '.join(f'{k:.1%}' for k,_ in found))
    path,keep = kaggle_folder(args.data, args.n)
    found,wrong,pairs = guard(open_store(path, path.parent/'store', progress=False))
    for k,v in found.items(): say(f'copies that are found: {k}', f'{v:.1%}')
    say(f'of {pairs:,} pairs of different patches, called copies', f'{wrong:,}')
    y,p,_ = simulate_slides(np.random.default_rng(0), slides=args.patches, patches=1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        intervals(y, p, rounds=1000)
    say(f'seconds for 1,000 resamples of {args.patches:,} predictions', f'{time.perf_counter()-start:.0f}')
    finish('reliability', args, rows)


if __name__=='__main__': main()
