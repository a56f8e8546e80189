"""The others: data paths that people use for such patches, as their documentation shows them."""
from pathlib import Path

import h5py, numpy as np, pandas as pd, torch
import torch.nn.functional as F
from fastai.vision.all import ImageDataLoaders, aug_transforms
from PIL import Image
from torch import nn
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


def reference_net():
    "Four stages of two padded 3×3 convolutions, global average pooling"
    layers,ins = [],3
    for outs in (16,32,64,128):
        for _ in range(2):
            layers += [nn.Conv2d(ins, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)]
            ins = outs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(.3), nn.Linear(ins, 1))


class StudyCNN(nn.Module):
    "Four convolutions with max pooling on 46 px, two dense layers; its dropout is active at evaluation too, as in the study"
    def __init__(self, filters=8):
        super().__init__()
        widths = [3]+[filters*2**i for i in range(4)]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3) for i,o in zip(widths, widths[1:]))
        self.fc1,self.fc2 = nn.Linear(widths[-1], 100),nn.Linear(100, 2)

    def forward(self, x):
        for conv in self.convs: x = F.max_pool2d(F.relu(conv(x)), 2)
        return F.log_softmax(self.fc2(F.dropout(F.relu(self.fc1(x.flatten(1))), .25)), 1)


class StudyFiles(Files):
    "Files scaled to 46 px, 0–1, not normalised"
    def __init__(self, path):
        super().__init__(path, False)
        self.tfm = v2.Compose([v2.Resize((46,46)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])

    def __getitem__(self, i):
        x,y = super().__getitem__(int(i))
        return x, int(y)
