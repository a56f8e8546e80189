"""The others: data paths that people use for such patches, as their documentation shows them."""
from pathlib import Path

import h5py, numpy as np, pandas as pd, torch
from fastai.vision.all import ImageDataLoaders, aug_transforms
from PIL import Image
from torchvision.transforms import v2


def fastai_dls(path, valid, bs, workers, augment, device='cpu'):
    "Stock fastai: a DataFrame of names and labels, files decoded one by one"
    df = pd.read_csv(path/'train_labels.csv', dtype=dict(id=str))
    df['is_valid'] = np.isin(np.arange(len(df)), valid)
    return ImageDataLoaders.from_df(df, path, folder='train', fn_col='id', label_col='label', suff='.tif', valid_col='is_valid',
        bs=bs, num_workers=workers, device=torch.device(device), batch_tfms=aug_transforms() if augment else None)


class Files(torch.utils.data.Dataset):
    "Plain PyTorch: one file, one transform"
    def __init__(self, path, augment):
        self.df,self.path = pd.read_csv(path/'train_labels.csv', dtype=dict(id=str)),path/'train'
        more = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(), v2.ColorJitter(.2, .2, .2, .05)] if augment else []
        self.tfm = v2.Compose([v2.PILToTensor(), *more, v2.ToDtype(torch.float32, scale=True), v2.Normalize([.7,.5,.7], [.2,.3,.2])])

    def __len__(self): return len(self.df)
    def __getitem__(self, i):
        row = self.df.iloc[i]
        with Image.open(self.path/f'{row.id}.tif') as im: return self.tfm(im.convert('RGB')), float(row.label)


class Hdf5(torch.utils.data.Dataset):
    "PCam's HDF5 files, one item at a time"
    def __init__(self, file): self.file,self.x,self.y = file,None,None
    def __len__(self):
        with h5py.File(self.file) as f: return len(f['x'])
    def __getitem__(self, i):
        if self.x is None: f = h5py.File(self.file); self.x,self.y = f['x'],f['y']
        return torch.from_numpy(self.x[i]).permute(2,0,1).float()/255, float(self.y[i].item())


def write_hdf5(store, file):
    "Patches of a store as PCam has them"
    with h5py.File(file, 'w') as f:
        f['x'] = store.patches
        f['y'] = store.table.label.to_numpy(np.uint8).reshape(-1,1,1,1)
    return Path(file)
