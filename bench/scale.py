"""Does the cost grow in a straight line? Loads stores of up to 220,025 patches, Kaggle's whole training set, from disk.

python bench/scale.py [--folder WHERE_6_GB_FIT]
"""
import json, subprocess, sys, tempfile, time
from pathlib import Path

from common import HERE, arguments, finish, own_memory
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from pcam_nb.data import patch_dls
from pcam_nb.store import PATCH_BYTES, Store


def big_store(path, n):
    "A store of `n` random patches, written in pieces"
    path.mkdir()
    x,rng = np.lib.format.open_memmap(path/'patches.npy', 'w+', np.uint8, (n,96,96,3)),np.random.default_rng(0)
    for i in range(0, n, 1000): x[i:i+1000] = rng.integers(0, 256, x[i:i+1000].shape, dtype=np.uint8)
    x.flush()
    pd.DataFrame(dict(id=np.arange(n), label=np.arange(n)%2, slide='')).to_csv(path/'table.csv', index=False)
    (path/'store.json').write_text(json.dumps(dict(fingerprint='random', fit='crop', source='random')))
    return Store(path)


def measure(path, n):
    "Seconds to the first batch, microseconds a patch in an epoch, largest own memory in MB; in a process of its own, see `fresh`"
    start = time.perf_counter()
    dl = patch_dls(Store(path), (np.arange(n), np.arange(64)), cache='disk', device='cpu').train
    next(iter(dl))
    first,start,memory,seen = time.perf_counter()-start,time.perf_counter(),0,0
    for i,b in enumerate(dl):
        seen += len(b[0])
        if i%50==0: memory = max(memory, own_memory())
    return first, 1e6*(time.perf_counter()-start)/seen, memory


def fresh(store, n):
    "`measure` in a process that has held nothing before"
    code = f'import json, sys; sys.path.insert(0, {str(HERE)!r}); from scale import measure; print(json.dumps(measure({str(store.path)!r}, {n})))'
    return json.loads(subprocess.check_output([sys.executable, '-c', code], text=True).splitlines()[-1])


def plot(rows, path):
    "Seconds an epoch over patches"
    _,ax = plt.subplots(figsize=(6,3.5), layout='constrained')
    n,seconds = [r['n'] for r in rows],[r['n']*r['us']/1e6 for r in rows]
    ax.plot([0,n[-1]], [0,n[-1]*rows[0]['us']/1e6], '--', color='.6', label=f"straight line through {n[0]:,} patches")
    ax.plot(n, seconds, 'o', color='#7b3294', label='measured, D4 + stain, from disk')
    ax.set(xlabel='patches in the store', ylabel='seconds an epoch', xlim=0, ylim=0)
    ax.xaxis.set_major_formatter(lambda o,_: f'{o:,.0f}')
    ax.legend(frameon=False)
    for o in ('top','right'): ax.spines[o].set_visible(False)
    plt.savefig(path, dpi=110)


def main():
    args = arguments(__doc__, 220_025, folder='')
    with tempfile.TemporaryDirectory(dir=args.folder or None) as tmp:
        print(f'writing {args.n:,} patches, {args.n*PATCH_BYTES/1e9:.1f} GB')
        store = big_store(Path(tmp)/'store', args.n)
        sizes = [o for o in (10_000,50_000,100_000,160_000) if o<args.n]+[args.n]
        found = {n:[] for n in sizes}
        fresh(store, args.n) # Everything that fits is in the system's cache from here on
        for i in range(args.repeats):
            for n in sizes:
                found[n].append(fresh(store, n))
                print(f'  round {i+1}: {n:,} patches, {found[n][-1][1]:.0f} µs each', flush=True)
    rows = [dict(n=n, first=np.median([o[0] for o in r]), us=np.median([o[1] for o in r]), memory=max(o[2] for o in r)) for n,r in found.items()]
    plot(rows, Path(args.out)/'scale.png')
    shown = [{'patches':f"{r['n']:,}", 'first batch, s':f"{r['first']:.2f}", 'µs a patch':f"{r['us']:.1f}",
              'to 10,000':f"{r['us']/rows[0]['us']:.2f}", 'own memory, MB':f"{r['memory']:.0f}"} for r in rows]
    finish('scale', args, shown, found=found)


if __name__=='__main__': main()
