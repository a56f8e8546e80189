"""Does the work of a data set grow in a straight line? Exploring, finding copies and leaks, and evaluating, for 5,000 to 220,025 patches; and the features of a frozen encoder.

python bench/growth.py [--data KAGGLE_FOLDER] [--sizes 5000,20000,80000,220025] [--folder WHERE_6_GB_FIT]
python bench/growth.py [--data KAGGLE_FOLDER] --steps features --sizes 1250,5000,20000

New tissue is made of two patches side by side, each rolled around, so that patches resemble others as real ones do, and are no copies. Processor seconds of each
step, in a process of its own; the slope is that of a straight line through the logarithms: 1 is a straight line, 2 grows with the square.
"""
import json, os, subprocess, sys, tempfile, time
from pathlib import Path

from common import HERE, arguments, finish, kaggle_folder, own_memory
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from pcam_nb.copies import duplicates, find_copies, store_fingerprints
from pcam_nb.evaluate import evaluate
from pcam_nb.explore import explore
from pcam_nb.features import encode
from pcam_nb.model import make_model
from pcam_nb.store import open_store, Store
from pcam_nb.train import Recipe, train

SLIDE = 1300 # Patches of a slide, as in Kaggle's set


def mixed_store(path, source, n):
    "A store of `n` patches, each made of two of `source`"
    path.mkdir()
    x,rng,labels = np.lib.format.open_memmap(path/'patches.npy', 'w+', np.uint8, (n,96,96,3)),np.random.default_rng(0),source.table.label.to_numpy(int)
    pick,cut,by = rng.integers(0, len(source), (n,2)),rng.integers(24, 72, n),rng.integers(0, 96, (n,2,2))
    held = np.array(source.patches)
    for i in range(n):
        a,b = [np.roll(held[j], o, (0,1)) for j,o in zip(pick[i], by[i])]
        x[i] = np.concatenate([a[:,:cut[i]], b[:,cut[i]:]], 1)
    x.flush()
    table = pd.DataFrame(dict(id=[f'p{i:06d}' for i in range(n)], label=labels[pick[:,0]], slide=[f'made_{i//min(SLIDE, n//8):03d}' for i in range(n)]))
    table.to_csv(path/'table.csv', index=False)
    pd.DataFrame(columns=['id','file','reason']).to_csv(path/'skipped.csv', index=False)
    (path/'store.json').write_text(json.dumps(dict(fingerprint=str(n), fit='crop', source='mixed')))
    return Store(path)


def _copies(store, tmp, run):
    prints = store_fingerprints(store, False)
    start = time.process_time()
    pairs = duplicates(store, prints)
    return time.process_time()-start, f'{len(pairs):,} pairs'


def _leaks(store, tmp, run):
    prints = store_fingerprints(store, False)
    start = time.process_time()
    pairs = find_copies(prints, prints.astype(np.float16).astype(np.float32))
    return time.process_time()-start, f'{len(pairs):,} pairs'


def _explore(store, tmp, run):
    start = time.process_time()
    found = explore(store, tmp/'explored', progress=False)
    return time.process_time()-start, f"{found['copies']:,} pairs of copies"


def _evaluate(store, tmp, run):
    start = time.process_time()
    found = evaluate(run, store, tmp/'report', device='cpu', progress=False)
    return time.process_time()-start, f"{found['copies']:,} leaks"

def _features(store, tmp, run):
    model = make_model('tf_efficientnet_lite0', pretrained=False).eval()
    start = time.process_time()
    encode(model, store, ((.5,)*3,(.25,)*3), tmp, views=1, progress=False)
    return time.process_time()-start, f"{sum(o.stat().st_size for o in tmp.rglob('features.npy'))/1e6:.1f} MB"

STEPS = dict(explore=_explore, copies=_copies, leaks=_leaks, evaluate=_evaluate, features=_features)


def measure(step, path, run):
    "Processor seconds of a step, what it found, and the largest own memory in MB"
    import threading
    seen,over = [own_memory()],threading.Event()
    def watch():
        while not over.wait(.2): seen.append(own_memory())
    threading.Thread(target=watch, daemon=True).start()
    with tempfile.TemporaryDirectory() as tmp: seconds,found = STEPS[step](Store(path), Path(tmp), run)
    over.set()
    return seconds, found, max(seen)


def fresh(step, path, run):
    "`measure` in a process that has held nothing before"
    code = f'import json, sys; sys.path.insert(0, {str(HERE)!r}); from growth import measure; print(json.dumps(measure({step!r}, {str(path)!r}, {str(run)!r})))'
    return json.loads(subprocess.check_output([sys.executable, '-c', code], text=True, env=os.environ).splitlines()[-1])


def slope(n, seconds):
    "Of a straight line through the logarithms"
    return float(np.polyfit(np.log(n), np.log(seconds), 1)[0])


def plot(found, sizes, path):
    "Processor seconds over patches, both on logarithmic axes"
    _,ax = plt.subplots(figsize=(6,3.8), layout='constrained')
    for (step,rows),colour in zip(found.items(), ('#7b3294','#008837','#d95f02','#1f78b4','#444444')):
        ax.loglog(sizes, [o[0] for o in rows], 'o-', color=colour, label=f'{step}, slope {slope(sizes, [o[0] for o in rows]):.2f}')
    ax.set(xlabel='patches', ylabel='processor seconds')
    ax.set_xticks(sizes, [f'{o:,}' for o in sizes])
    ax.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    ax.legend(frameon=False)
    for o in ('top','right'): ax.spines[o].set_visible(False)
    plt.savefig(path, dpi=110)


def main():
    args = arguments(__doc__, 4800, folder='', sizes='5000,20000,80000,220025', steps='explore,copies,leaks,evaluate')
    sizes,steps = [int(o) for o in args.sizes.split(',')],args.steps.split(',')
    found = {o:[] for o in steps}
    with tempfile.TemporaryDirectory(dir=args.folder or None) as tmp:
        data,keep = kaggle_folder(args.data, args.n)
        source,tmp = open_store(data, Path(tmp)/'source', progress=False),Path(tmp)
        run = train(source, tmp/'run', Recipe(epochs=1), device='cpu', progress=False).path
        for n in sizes:
            store = mixed_store(tmp/f'{n}.store', source, n)
            for step in steps:
                found[step].append(fresh(step, store.path, run))
                print(f'  {n:,} patches: {step} {found[step][-1][0]:.1f} s, {found[step][-1][1]}', flush=True)
    name = 'growth' if 'features' not in steps else 'growth_features'
    plot(found, sizes, Path(args.out)/f'{name}.png')
    rows = [{'':step, **{f'{n:,} patches':f'{o[0]:.1f} s' + (f', {o[1]}' if step=='features' else '') for n,o in zip(sizes, r)}, 'slope':f'{slope(sizes, [o[0] for o in r]):.2f}',
             'last to second, a patch':f'{r[-1][0]/sizes[-1]/(r[min(1, len(r)-1)][0]/sizes[min(1, len(r)-1)]):.2f}', 'own memory, MB':f'{max(o[2] for o in r):,.0f}'} for step,r in found.items()]
    args.folder = ''
    finish(name, args, rows, found=found)


if __name__=='__main__': main()
