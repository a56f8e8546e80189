"""Do the intervals, target sensitivities and the search for leaks do what they should? Simulated sets whose truth is known, and planted copies of real patches.

python bench/reliability.py [--sets 500] [--data KAGGLE_FOLDER]
"""
import io, time, warnings
from functools import partial

from common import arguments, finish, kaggle_folder
import numpy as np, torch
from PIL import Image
from pcam_nb.evaluate import SAME, weaker
from pcam_nb.metrics import coverage, intervals, simulate_slides
from pcam_nb.threshold import targets_met
from pcam_nb.copies import fingerprints
from pcam_nb.core import in_processes
from pcam_nb.store import open_store

WORLDS = {'independent patches, 300':dict(slides=300, patches=1), '20 slides of 20 patches':dict(slides=20, patches=20),
          '40 slides of 20 patches':dict(slides=40, patches=20), '100 slides of 10 patches':dict(slides=100, patches=10)}


def held(world, by_slide, rounds, job): return coverage(job[1], by_slide, rounds, seed=job[0], **world)


def share_held(args, world, by_slide):
    "Share of intervals that hold the true AUC"
    jobs = [(1000*i, args.sets//10) for i in range(10)]
    return float(np.mean(list(in_processes(partial(held, world, by_slide, args.rounds), jobs))))


def jpeg(x):
    f = io.BytesIO()
    Image.fromarray(x).save(f, 'JPEG', quality=90)
    return np.array(Image.open(f))


CHANGES = {'identical':lambda x: x, 'turned':lambda x: np.ascontiguousarray(np.rot90(x)[:,::-1]), 'JPEG, quality 90':jpeg,
           'brightness +3':lambda x: np.minimum(x.astype(int)+3, 255).astype(np.uint8), 'turned and JPEG':lambda x: jpeg(np.ascontiguousarray(np.rot90(x, 3)))}


def guard(store):
    "Share of copies that are found, for each kind of copy, and of patches that are called a copy of a different one"
    x = np.array(store.patches)
    prints = fingerprints(x)
    stored = prints.astype(np.float16).astype(np.float32)
    called = lambda new,old: np.linalg.norm(new-old, axis=1)<=SAME*weaker(new, old)
    rows = np.random.default_rng(0).permutation(len(x))[:1000]
    found = {k:float(called(fingerprints(np.stack([f(x[i]) for i in rows])), stored[rows]).mean()) for k,f in CHANGES.items()}
    nearest = torch.cdist(torch.from_numpy(prints), torch.from_numpy(stored)).topk(2, largest=False).indices.numpy()
    other = np.where(nearest[:,0]==np.arange(len(x)), nearest[:,1], nearest[:,0])
    return found, float(called(prints, stored[other]).mean())


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
    found,wrong = guard(open_store(path, path.parent/'store', progress=False))
    for k,v in found.items(): say(f'copies that are found: {k}', f'{v:.1%}')
    say('different patches that are called copies', f'{wrong:.2%}')
    y,p,_ = simulate_slides(np.random.default_rng(0), slides=args.patches, patches=1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        intervals(y, p, rounds=1000)
    say(f'seconds for 1,000 resamples of {args.patches:,} predictions', f'{time.perf_counter()-start:.0f}')
    finish('reliability', args, rows)


if __name__=='__main__': main()
