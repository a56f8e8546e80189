"""Training: patches a second end to end, beside the ceiling, the same network on one batch that is already there.

python bench/train.py [--data KAGGLE_FOLDER] [--device cuda --bs 512 --n 40960]
"""
import os, time

from common import arguments, finish, interleaved, kaggle_folder, table
from peers import fastai_dls
import numpy as np, torch
from fastai.vision.all import Callback, CrossEntropyLossFlat, Learner, accuracy, set_seed
from pcam_nb.data import patch_dls
from pcam_nb.cnn import Sliding
from pcam_nb.model import make_model
from pcam_nb.store import open_store
from pcam_nb.learner import choose_precision, patch_learner


class Clock(Callback):
    "Seconds and patches of the training side of an epoch"
    order = 100
    def sync(self): return torch.cuda.synchronize() if self.dls.device.type=='cuda' else None
    def before_train(self): self.sync(); self.start,self.n = time.perf_counter(),0
    def after_batch(self): self.n += len(self.xb[0]) if self.training else 0
    def after_train(self): self.sync(); self.seconds = time.perf_counter()-self.start


def fit(learn):
    "A function that trains `learn` for an epoch"
    def _fit():
        clock = Clock()
        with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, 1e-3, cbs=clock)
        return clock.n, clock.seconds
    return _fit


def ceiling(arch, dls, batches):
    "A function that takes `batches` steps with one batch, in plain torch"
    model,device = make_model(arch).to(dls.device, memory_format=torch.channels_last),dls.device
    opt = torch.optim.AdamW(model.parameters(), fused=True)
    x,y = [o.as_subclass(torch.Tensor) for o in dls.one_batch()]
    loss,fast = torch.nn.BCEWithLogitsLoss(),choose_precision('auto', device)=='bf16'
    def _steps():
        model.train()
        for _ in range(batches):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast): out = model(x)[:,0]
            loss(out.float(), y).backward()
            opt.step()
            opt.zero_grad()
        return batches*len(x)
    return _steps


def stock(arch, path, valid, args):
    "Stock fastai with the same network: files, `aug_transforms`, its own Adam"
    workers = (os.cpu_count() or 1) if args.device=='cuda' else 2
    dls = fastai_dls(path, valid, args.bs, workers, True, args.device)
    net = make_model(arch)
    head = net.head if isinstance(net, Sliding) else net[-1]
    head[-1] = torch.nn.Linear(head[-1].in_features, 2)
    learn = Learner(dls, net, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
    return learn.to_fp16() if args.device=='cuda' else learn


def main():
    args = arguments(__doc__, 832, bs=64, archs='patchcnn,resnet18')
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store')
    valid = np.arange(64)
    split = (np.arange(64, len(store)), valid)
    runs,against = {},{}
    for arch in args.archs.split(','):
        set_seed(0)
        dls = patch_dls(store, split, bs=args.bs, device=args.device)
        top = f'{arch}: ceiling'
        runs |= {top:ceiling(arch, dls, len(dls.train)), f'{arch}: pcam_nb':fit(patch_learner(dls, arch, pretrained=False)),
                 f'{arch}: stock fastai':fit(stock(arch, path, valid, args))}
        against |= {f'{arch}: pcam_nb':top, f'{arch}: stock fastai':top}
    rates = interleaved(runs, args.repeats, args.device)
    finish('train', args, table(rates, against), rates=rates)


if __name__=='__main__': main()
