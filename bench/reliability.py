"""Do the intervals, target sensitivities and the search for leaks do what they should? Simulated sets whose truth is known, and planted copies of real patches.

python bench/reliability.py [--sets 500] [--data KAGGLE_FOLDER]
"""
import io, time, warnings
from functools import partial

from common import arguments, finish, kaggle_folder
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from pcam_nb.metrics import coverage, intervals, simulate_slides
from pcam_nb.threshold import targets_met
from pcam_nb.copies import find_copies, fingerprints
from pcam_nb.core import in_processes
from pcam_nb.store import open_store

WORLDS = {'independent patches, 300':dict(slides=300, patches=1), '20 slides of 20 patches':dict(slides=20, patches=20),
          '40 slides of 20 patches':dict(slides=40, patches=20), '100 slides of 10 patches':dict(slides=100, patches=10)}


def held(world, by_slide, rounds, job): return coverage(job[1], by_slide, rounds, seed=job[0], **world)


def share_held(args, world, by_slide):
    "Share of intervals that hold the true AUC"
    jobs = [(1000*i, args.sets//10) for i in range(10)]
    return float(np.mean(list(in_processes(partial(held, world, by_slide, args.rounds), jobs))))


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
    args = arguments(__doc__, 4800, sets=500, rounds=500, patches=57_458)
    rows = []
    def say(what, value):
        rows.append({'':what, 'found':value})
        print(f'  {what}: {value}', flush=True)
    for name,world in WORLDS.items():
        for by_slide in ((True,False) if world['patches']>1 else (True,)):
            how = 'drawing slides' if by_slide else 'drawing patches'
            say(f'95 % intervals that hold the true AUC; {name}'+(f', {how}' if world['patches']>1 else ''), f'{share_held(args, world, by_slide):.1%}')
    for target,tumours in ((.98,400),(.98,1000),(.95,400)):
        say(f'validation sets whose threshold meets a target sensitivity of {target:.0%}; {tumours} tumours', f'{targets_met(args.sets, tumours, target):.1%}')
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
