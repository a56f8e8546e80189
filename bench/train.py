"""Training: patches a second end to end, with all that the recipe does, beside the ceiling, the same network on one batch that is already there.

The ceiling is plain torch in the quickest number format, channels last, as it is and compiled. The share of the machine's peak counts convolutions and products alone, against the best convolution of the same run.

python bench/train.py [--data KAGGLE_FOLDER] [--device cuda --bs 512 --n 40960]
"""
import os, time

from common import arguments, finish, flops, interleaved, kaggle_folder, peak, table
from peers import fastai_dls
import numpy as np, torch
from fastai.vision.all import Callback, CrossEntropyLossFlat, Learner, accuracy, set_seed
from pcam_nb.data import patch_dls
from pcam_nb.cnn import Sliding
from pcam_nb.model import make_model
from pcam_nb.store import open_store
from pcam_nb.learner import AverageWeights, choose_precision, patch_learner, SmoothLabels
from pcam_nb.train import Recipe


class LowPrecision(Callback):
    "bfloat16 on any device; fastai's own is for CUDA"
    order = 10
    def before_batch(self): self.cast = torch.autocast(self.dls.device.type, torch.bfloat16); self.cast.__enter__()
    def after_pred(self): self.learn.pred = self.pred.float()
    def after_loss(self): self.cast.__exit__(None, None, None)


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


def ceiling(arch, dls, batches, compile=False):
    "A function that takes `batches` steps with one batch, in plain torch"
    model,device = make_model(arch).to(dls.device, memory_format=torch.channels_last),dls.device
    opt = torch.optim.AdamW(model.parameters(), fused=True)
    x,y = [o.as_subclass(torch.Tensor) for o in dls.one_batch()]
    loss,fast = torch.nn.BCEWithLogitsLoss(),choose_precision('auto', device, model)=='bf16'
    if compile: model.compile()
    def _steps():
        model.train()
        for _ in range(batches):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast): out = model(x)[:,0]
            loss(out.float(), y).backward()
            opt.step()
            opt.zero_grad()
        return batches*len(x)
    return _steps


def whole(arch, dls):
    "A Learner with all that the recipe does in training"
    recipe = Recipe(arch=arch)
    return patch_learner(dls, arch, pretrained=False, cbs=[AverageWeights(recipe.average), SmoothLabels(recipe.smooth)])


def operations(arch, bs=8):
    "Floating-point operations of a training step, for each patch"
    model,x = make_model(arch),torch.randn(bs, 3, 96, 96)
    return flops(lambda: model(x).sum().backward())/bs


def stock(arch, path, valid, args, low=False):
    "Stock fastai with the same network: files, `aug_transforms`, its own Adam; `low` in bfloat16 and channels last"
    workers = (os.cpu_count() or 1) if args.device=='cuda' else 2
    dls = fastai_dls(path, valid, args.bs, workers, True, args.device)
    net = make_model(arch)
    head = net.head if isinstance(net, Sliding) else net[-1]
    head[-1] = torch.nn.Linear(head[-1].in_features, 2)
    learn = Learner(dls, net, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
    if low: return learn.to_channelslast(use_amp=False).add_cb(LowPrecision()) if args.device!='cuda' else learn.to_channelslast(amp_mode='bf16')
    return learn.to_fp16() if args.device=='cuda' else learn


def main():
    args = arguments(__doc__, 832, bs=64, archs='patchcnn,resnet18', compiled=1)
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store')
    valid = np.arange(64)
    split = (np.arange(64, len(store)), valid)
    runs,against = {},{}
    for arch in args.archs.split(','):
        set_seed(0)
        dls = patch_dls(store, split, bs=args.bs, device=args.device, **Recipe().augmentation)
        top = f'{arch}: ceiling'
        more = {f'{top}, compiled':ceiling(arch, dls, len(dls.train), True)} if args.compiled else {}
        more |= {f'{arch}: pcam_nb, the whole recipe':fit(whole(arch, dls)),
                 f'{arch}: stock fastai':fit(stock(arch, path, valid, args)), f'{arch}: stock fastai, bfloat16, channels last':fit(stock(arch, path, valid, args, True))}
        runs |= {top:ceiling(arch, dls, len(dls.train)), **more}
        against |= dict.fromkeys(more, top)
    peaks = {o:peak(o, args.device) for o in (torch.float32,torch.bfloat16)}
    rates = interleaved(runs, args.repeats, args.device)
    each,top = {o:operations(o) for o in args.archs.split(',')},max(peaks.values())
    rows = [dict(o, **{'of the peak':f"{np.median(rates[o['']])*each[o[''].split(':')[0]]/top:.0%}"}) for o in table(rates, against)]
    finish('train', args, rows, rates=rates, peaks={str(k):v for k,v in peaks.items()}, operations=each)


if __name__=='__main__': main()
