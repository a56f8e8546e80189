"""What all benchmarks share: the patches, interleaved timing, one table, one JSON file."""
import argparse, gc, json, os, platform, tempfile, time, warnings
from importlib.metadata import version
from pathlib import Path

warnings.simplefilter('ignore') # fastai's own, about torch
import numpy as np, pandas as pd, torch
from torch.utils.flop_counter import FlopCounterMode
from pcam_nb.core import count_of
from pcam_nb.sample import make_sample

HERE = Path(__file__).parent


def arguments(doc, n, **more):
    "Parse `--data`, `--n`, `--repeats`, `--device`, `--out` and `more`, whose defaults give the types"
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    p.add_argument('--data', help='a Kaggle folder (default: synthetic patches)')
    p.add_argument('--n', type=int, default=n, help='how many of its patches')
    p.add_argument('--repeats', type=int, default=5)
    p.add_argument('--device', default='cpu', help='cpu or cuda')
    p.add_argument('--out', default=str(HERE/'results'), help='folder for the JSON file')
    for k,v in more.items(): p.add_argument(f"--{k.replace('_','-')}", type=type(v), default=v)
    args = p.parse_args()
    if args.device=='cuda' and not torch.cuda.is_available(): raise SystemExit('no CUDA device')
    Path(args.out).mkdir(parents=True, exist_ok=True)
    return args


def kaggle_folder(data, n):
    "A folder of `n` labelled patches, synthetic unless `data` names one; a temporary one is removed at the end"
    keep = tempfile.TemporaryDirectory()
    path = Path(keep.name)/'data'
    if data is None: make_sample(path, train=n, test=0, slides=max(n//60, 8))
    else:
        (path/'train').mkdir(parents=True)
        table = pd.read_csv(Path(data)/'train_labels.csv').iloc[:n]
        table.to_csv(path/'train_labels.csv', index=False)
        for o in table.id: os.symlink(Path(data).resolve()/'train'/f'{o}.tif', path/'train'/f'{o}.tif')
    return path, keep


def machine(device='cpu'):
    "What was measured on"
    model = [o.split(':')[1].strip() for o in Path('/proc/cpuinfo').read_text().splitlines() if o.startswith('model name')]
    res = dict(cpu=f"{count_of(len(os.sched_getaffinity(0)), 'core')} of {model[0]}", python=platform.python_version())
    if device=='cuda': res['gpu'] = torch.cuda.get_device_name()
    return res | {o:version(o) for o in ('torch','torchvision','fastai','pcam_nb')}


def own_memory():
    "Anonymous memory of this process in MB: what no file stands behind"
    return next(int(o.split()[1])/1024 for o in Path('/proc/self/status').read_text().splitlines() if o.startswith('RssAnon'))


def interleaved(contenders, repeats, device='cpu'):
    "Run all `contenders` (name: function that gives how many patches it did, or that and the seconds) in turn, `repeats` times; patches/s"
    rates = {name:[] for name in contenders}
    for i in range(repeats+1): # The first round warms up
        for name,f in contenders.items():
            gc.collect()
            start = time.perf_counter()
            n = f()
            if device=='cuda': torch.cuda.synchronize()
            n,seconds = n if isinstance(n, tuple) else (n,time.perf_counter()-start)
            if i: rates[name].append(n/seconds)
            print(f'  round {i}: {name} {n/seconds:,.0f}/s', flush=True)
    return rates


def table(rates, against):
    "Rows of median, spread, and ratio to the contender `against[name]`: the median of the rounds' ratios"
    rows = []
    for name,r in rates.items():
        ref = against.get(name) if isinstance(against, dict) else against
        ratio = f'{np.median(np.divide(r, rates[ref])):.2f}' if ref and ref!=name else ''
        rows.append({'':name, 'patches/s':f'{np.median(r):,.0f}', 'smallest–largest':f'{min(r):,.0f}–{max(r):,.0f}',
                     'ratio':ratio, 'to':ref if ratio else ''})
    return rows


def peak(dtype, device='cpu', seconds=1.):
    "The largest rate at which this machine computes a convolution in a number format, FLOP/s: of 3×3 filters on three shapes, each for `seconds`"
    best = 0
    for channels,side in ((64,46),(128,22),(256,24)):
        conv = torch.nn.Conv2d(channels, channels, 3, bias=False).to(device, dtype, memory_format=torch.channels_last).eval()
        x = torch.randn(32, channels, side, side).to(device, dtype, memory_format=torch.channels_last)
        flop = 2*32*(side-2)**2*channels**2*9
        with torch.inference_mode():
            for _ in range(3): conv(x)
            until = time.perf_counter()+seconds
            while time.perf_counter()<until:
                start = time.perf_counter()
                conv(x)
                if device=='cuda': torch.cuda.synchronize()
                best = max(best, flop/(time.perf_counter()-start))
    return best


def flops(f):
    "Floating-point operations of convolutions and products in a call of `f`"
    with FlopCounterMode(display=False) as counter: f()
    return counter.get_total_flops()


def markdown(rows):
    "A table in markdown"
    line = lambda o: '| '+' | '.join(map(str, o))+' |'
    return '\n'.join([line(rows[0]), line(['---']*len(rows[0])), *(line(o.values()) for o in rows)])


def finish(name, args, rows, **more):
    "Print the table and write it, with all that was measured, as JSON"
    print('\n'+markdown(rows))
    what = dict(arguments={k:v for k,v in vars(args).items() if k not in ('out','data','only','pause')}, patches='synthetic' if args.data is None else 'real',
                machine=machine(args.device), table=rows, **more)
    file = Path(args.out)/f"{name}{'' if args.device=='cpu' else '_'+args.device}.json"
    file.write_text(json.dumps(what, indent=1, ensure_ascii=False)+'\n')
    print(f'\n{file}')
