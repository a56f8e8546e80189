"""Whole regions: `dense`, which shares the work of overlapping patches, beside patch by patch.

python bench/dense.py [--side 512] [--data KAGGLE_FOLDER]
"""
from common import arguments, finish, interleaved, kaggle_folder, table
import numpy as np, torch
from pcam_nb.augment import keep_memory
from pcam_nb.model import make_model
from pcam_nb.core import SIZE
from pcam_nb.store import open_store

ARCHS,STRIDES = ('d4net','patchcnn'),(32,16)


def tiled(store, side):
    "A region of `side`×`side` px put together from patches, 1×3×H×W, about normalised"
    n = -(-side//SIZE)
    x = np.array(store.patches[np.arange(n*n)%len(store)]).reshape(n, n, SIZE, SIZE, 3).transpose(4,0,2,1,3).reshape(1, 3, n*SIZE, n*SIZE)
    return torch.from_numpy(x[:,:,:side,:side]).float().sub(170).div(60)


@torch.inference_mode()
def windows(net, region, stride, bs=32):
    "Logits of all windows of a region, each computed by itself: rows×columns"
    x = region.unfold(2, SIZE, stride).unfold(3, SIZE, stride)[0].permute(1,2,0,3,4)
    return torch.cat([net(o.contiguous(memory_format=torch.channels_last))[:,0] for o in x.flatten(0,1).split(bs)]).view(x.shape[:2])


@torch.inference_mode()
def dense(net, region, stride): return net.dense(region, stride)[0]


def main():
    args = arguments(__doc__, 400, side=512)
    keep_memory()
    path,keep = kaggle_folder(args.data, args.n)
    region,runs,differ = tiled(open_store(path, path.parent/'store', progress=False), args.side),{},{}
    for arch in ARCHS:
        torch.manual_seed(0)
        net = make_model(arch).eval().to(memory_format=torch.channels_last)
        for stride in STRIDES:
            name = f'{arch}, stride {stride}'
            both = {f'{name}, dense':dense, f'{name}, patch by patch':windows}
            maps = [f(net, region, stride) for f in both.values()]
            differ[name] = float((maps[0]-maps[1]).abs().max())
            runs.update({k:lambda f=f,net=net,stride=stride: f(net, region, stride).numel() for k,f in both.items()})
    rates = interleaved(runs, args.repeats)
    rows = table(rates, {f'{o}, dense':f'{o}, patch by patch' for o in differ})
    for row in rows: row['largest difference of logits'] = f"{differ[row[''].removesuffix(', dense')]:.0e}" if row['ratio'] else ''
    finish('dense', args, rows, rates=rates, differ=differ)


if __name__=='__main__': main()
