"""The others: data paths that people use for such patches, as their documentation shows them."""
from functools import partial
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


class Arrays(torch.utils.data.Dataset):
    "Patches in memory, one item at a time, changed by `tfm`, a function of uint8 96×96×3"
    def __init__(self, x, y, tfm): self.x,self.y,self.tfm = x,y,tfm
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return self.tfm(self.x[i]), self.y[i]


MEAN,STD = torch.tensor([.7,.5,.7]),torch.tensor([.2,.3,.2])

def as_floats(x):
    "A batch of stored patches as planes, normalised"
    return (torch.as_tensor(x).permute(0,3,1,2)/255).sub_(MEAN[:,None,None]).div_(STD[:,None,None])


def numpy_gather(x, y, bs, augment=False):
    "The floor: rows of an array in memory, normalised, in a loop; with torchvision's v2 transforms of the batch, if asked for"
    flips = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(), v2.ColorJitter(.2, .2, .2, .05)]) if augment else None
    def epoch():
        order,n = np.random.permutation(len(x)),0
        for i in range(0, len(x), bs):
            rows = order[i:i+bs]
            batch = torch.from_numpy(x[rows])
            if flips: batch = flips(batch.permute(0,3,1,2)).permute(0,2,3,1)
            n += len(as_floats(batch)) if y[rows] is not None else 0
        return n
    return epoch


def albumentations_loader(x, y, bs, workers=2):
    "Albumentations: flips, quarter turns and colour of each patch in memory; None without the package"
    try: import albumentations as A
    except ImportError: return None
    change = A.Compose([A.HorizontalFlip(), A.VerticalFlip(), A.RandomRotate90(), A.ColorJitter(.2, .2, .2, .05), A.Normalize(MEAN.tolist(), STD.tolist())])
    data = Arrays(x, y, lambda o: torch.from_numpy(change(image=o)['image']).permute(2,0,1))
    dl = torch.utils.data.DataLoader(data, bs, shuffle=True, num_workers=workers)
    return lambda: sum(len(b) for b,_ in dl)


def hugging_face(x, y, bs, folder):
    "Hugging Face's datasets: a memory-mapped Arrow table, shuffled, in batches; None without the package"
    try: import datasets
    except ImportError: return None
    datasets.disable_progress_bars()
    kinds = datasets.Features(dict(x=datasets.Array3D(x.shape[1:], 'uint8'), y=datasets.Value('float32')))
    def rows():
        for a,b in zip(x, y): yield dict(x=a, y=b)
    table = datasets.Dataset.from_generator(rows, features=kinds, cache_dir=str(folder)).with_format('torch')
    return lambda: sum(len(as_floats(b['x'])) for b in table.shuffle().iter(bs))


def litdata_loader(x, y, bs, folder, workers=2):
    "LitData: chunks on the disk, streamed and shuffled; None without the package"
    try: import litdata
    except ImportError: return None
    from contextlib import redirect_stdout
    import io
    with redirect_stdout(io.StringIO()): litdata.optimize(fn=partial(_item, x, y), inputs=list(range(len(x))), output_dir=str(folder), chunk_bytes='32MB', num_workers=1)
    torch.multiprocessing.set_start_method('fork', force=True) # It sets another for all
    dl = litdata.StreamingDataLoader(litdata.StreamingDataset(str(folder), shuffle=True), batch_size=bs, num_workers=workers)
    return lambda: sum(len(as_floats(b)) for b,_ in dl)


def _item(x, y, i): return x[i], float(y[i])


def dali_loader(x, y, bs, threads=2):
    "NVIDIA DALI's pipeline on the CPU: batches of an array in memory, flipped and recoloured; None without the package"
    try: from nvidia.dali import fn, pipeline_def, types
    except ImportError: return None
    def batches():
        order = np.random.permutation(len(x))
        for i in range(0, len(x)//bs*bs, bs): yield [x[j] for j in order[i:i+bs]]

    @pipeline_def(batch_size=bs, num_threads=threads, device_id=None, prefetch_queue_depth=2)
    def pipe():
        a = fn.external_source(source=batches, cycle='quiet', batch=True, dtype=types.UINT8, layout='HWC')
        a = fn.color_twist(a, brightness=fn.random.uniform(range=(.8,1.2)), contrast=fn.random.uniform(range=(.8,1.2)), saturation=fn.random.uniform(range=(.8,1.2)))
        return fn.crop_mirror_normalize(fn.flip(a, vertical=fn.random.coin_flip()), mirror=fn.random.coin_flip(), mean=(255*MEAN).tolist(), std=(255*STD).tolist(), output_layout='CHW')
    made = pipe()
    made.build()
    return lambda: sum(len(torch.from_numpy(made.run()[0].as_array())) for _ in range(len(x)//bs))


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
