"""Packing files into a store, beside decoding the same files with Pillow and writing HDF5.

python bench/pack.py [--data KAGGLE_FOLDER]
"""
import shutil

from common import arguments, finish, interleaved, kaggle_folder, table
import h5py, numpy as np
from PIL import Image
from pcam_nb.store import open_store

PIL = 'Pillow, one thread, decode only'


def main():
    args = arguments(__doc__, 4800)
    path,keep = kaggle_folder(args.data, args.n)
    files = sorted((path/'train').iterdir())

    def decode(file):
        with Image.open(file) as im: return np.asarray(im.convert('RGB'))

    def pillow():
        for o in files: decode(o)
        return len(files)

    def hdf5():
        with h5py.File(path.parent/'x.h5', 'w') as f:
            x = f.create_dataset('x', (len(files),96,96,3), np.uint8)
            for i,o in enumerate(files): x[i] = decode(o)
        return len(files)

    def ours():
        shutil.rmtree(path.parent/'store', ignore_errors=True)
        return len(open_store(path, path.parent/'store', progress=False))

    rates = interleaved({PIL:pillow, 'Pillow into HDF5':hdf5, 'pcam_nb':ours}, args.repeats)
    finish('pack', args, table(rates, PIL), rates=rates)


if __name__=='__main__': main()
