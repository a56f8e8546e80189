"""Loading: how many patches a second reach the network, ready to use.

Albumentations, datasets (Hugging Face), litdata and nvidia-dali-cuda120 are measured where they are installed.

python bench/loader.py [--data KAGGLE_FOLDER] [--device cuda]
"""
from common import arguments, finish, interleaved, kaggle_folder, table
from peers import Files, Hdf5, albumentations_loader, dali_loader, fastai_dls, hugging_face, litdata_loader, numpy_gather, write_hdf5
import numpy as np, torch
from pcam_nb.data import patch_dls
from pcam_nb.store import open_store

OURS,OURS_AUG = 'pcam_nb','pcam_nb, D4 + stain'


def contenders(path, store, args):
    "Name to a function that loads one epoch"
    n,bs = len(store),args.bs
    split = (np.arange(n), np.arange(bs)) # The loader of the training side is measured
    epoch = lambda dl: lambda: sum(len(b[0]) for b in dl)
    ours = lambda cache,**kw: epoch(patch_dls(store, split, bs=bs, cache=cache, device=args.device, verbose=False, **kw).train)
    stock = lambda workers,aug: epoch(fastai_dls(path, [0], bs, workers, aug, args.device).train)
    plain = lambda data,workers: epoch(torch.utils.data.DataLoader(data, bs, shuffle=True, num_workers=workers))
    h5 = write_hdf5(store, path/'x.h5')
    x,y = np.array(store.patches),store.table.label.to_numpy(np.float32)
    found = {OURS:ours('auto', d4=False, stain=0), 'pcam_nb, from disk':ours('disk', d4=False, stain=0),
            'stock fastai':stock(0, False), 'stock fastai, 2 workers':stock(2, False),
            'PyTorch, files, 2 workers':plain(Files(path, False), 2), 'PyTorch, HDF5 one by one':plain(Hdf5(h5), 0),
            'rows of an array in memory, nothing else':numpy_gather(x, y, bs), 'Hugging Face datasets':hugging_face(x, y, bs, path/'hf'), 'LitData, 2 workers':litdata_loader(x, y, bs, path/'lit'),
            OURS_AUG:ours('auto'), 'stock fastai + aug_transforms':stock(0, True), 'stock fastai + aug_transforms, 2 workers':stock(2, True),
            'PyTorch, flips + jitter (v2), 2 workers':plain(Files(path, True), 2),
            'rows of an array, v2 of the batch':numpy_gather(x, y, bs, True), 'Albumentations, 2 workers':albumentations_loader(x, y, bs),
            'NVIDIA DALI on the CPU, 2 threads':dali_loader(x, y, bs)}
    for name in [k for k,o in found.items() if o is None]: print(f'Not installed, left out: {name}')
    return {k:o for k,o in found.items() if o is not None}


def main():
    args = arguments(__doc__, 4800, bs=64)
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store')
    rates = interleaved(contenders(path, store, args), args.repeats, args.device)
    plain = list(rates).index(OURS_AUG)
    against = {name:(OURS if i<plain else OURS_AUG) for i,name in enumerate(rates)}
    rows = table(rates, against)
    for row in rows:
        ratio,to = row.pop('ratio'),row.pop('to')
        row['pcam_nb is … times as fast'] = f"{np.median(np.divide(rates[to], rates[row['']])):.1f}" if ratio else ''
    finish('loader', args, rows, rates=rates)


if __name__=='__main__': main()
