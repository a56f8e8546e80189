"""Networks trained for the same time, or the same number of epochs. Each trainer takes a Kaggle folder, its store, the rows to train on, those to judge by, and
the arguments of
`training_arguments`; it gives the network, a function from stored patches to what the network takes, how many epochs it had, and how many seconds."""
import time
from functools import partial
from pathlib import Path

from common import arguments
from peers import StudyCNN, StudyFiles, fastai_dls, reference_net
import torch
import torch.nn.functional as F
from fastai.vision.all import Callback, CancelFitException, CancelValidException, resnet18, set_seed, vision_learner
from PIL import Image
from pcam_nb.augment import normalise, to_planes, flip_rotate
from pcam_nb.data import patch_dls
from pcam_nb.learner import kept_model, patch_learner
from pcam_nb.recipe import first_lr, first_model, Recipe, recipe_start, recipe_stats
from pcam_nb.train import recipe_callbacks

LONG = 1000 # Epochs, when time is what ends a training


def training_arguments(doc, n, **more):
    "What `arguments` parses, and for how long to train: `--epochs`, or `--minutes` where that is 0, and None for the other; a file for `--pause`"
    args = arguments(doc, n, **dict(minutes=6., epochs=0, pause='')|more)
    setattr(args, 'minutes' if args.epochs else 'epochs', None)
    return args


class Clock:
    "Seconds of training; it stands, and the training waits, while there is a file `pause`: somebody needs the machine"
    def __init__(self, pause): self.pause = Path(pause) if pause else None
    def start(self): self.began = time.perf_counter()
    def seconds(self):
        begin = time.perf_counter()
        while self.pause and self.pause.exists(): time.sleep(.2)
        now = time.perf_counter()
        self.began += now-begin
        return now-self.began


class Budget(Callback):
    "End a training after `seconds` of a `clock`, with its schedule stretched over them; no validation"
    order = 90
    def __init__(self, seconds, clock): self.seconds,self.clock = seconds,clock
    def before_fit(self): self.clock.start()
    def before_validate(self): raise CancelValidException
    def after_batch(self):
        passed = self.clock.seconds()
        if not self.seconds: return
        self.learn.pct_train = min(passed/self.seconds, 1)
        if self.pct_train>=1: raise CancelFitException


def fit(learn, args):
    "Train `learn` for the minutes or epochs that are asked for; the epochs that it had, and the seconds"
    budget = Budget(0 if args.epochs else 60*args.minutes, Clock(args.pause))
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(args.epochs or LONG, learn.rates() if hasattr(learn, 'rates') else learn.lr, cbs=budget)
    return args.epochs or learn.train_iter/len(learn.dls.train), budget.clock.seconds()


@torch.inference_mode()
def predict(net, x, tta=1, bs=32):
    "Probabilities of planes N×3×H×W, the mean of logits over `tta` turns, and milliseconds a patch of one turn"
    net.eval()
    net(x[:bs])
    start,out = time.perf_counter(),[]
    for b in x.split(bs): out.append(torch.stack([net(flip_rotate(b, k).contiguous()).flatten() for k in range(tta)]).mean(0))
    return torch.sigmoid(torch.cat(out)).numpy(), 1000*(time.perf_counter()-start)/len(x)/tta


def with_recipe(recipe, change, path, store, tr, va, args):
    "Train a network of the project by `recipe`, after `change(network)`"
    set_seed(recipe.seed)
    start = recipe_start(recipe)
    stats = recipe_stats(recipe, start, store, tr)
    dls = patch_dls(store, (tr,va), bs=recipe.bs, device='cpu', stats=stats, verbose=False, **recipe.augmentation)
    learn = patch_learner(dls, lr=first_lr(recipe), wd=recipe.wd, pos_weight=recipe.pos_weight, precision=recipe.precision, model=change(first_model(recipe, start, stats, store, tr)), layer_decay=recipe.layer_decay)
    learn.add_cbs(recipe_callbacks(recipe, recipe.bs))
    spent = fit(learn, args)
    return kept_model(learn), lambda x: normalise(to_planes(torch.from_numpy(x)), *stats), *spent


def project(arch, change=lambda net: net, **recipe):
    "A trainer of a network by its name, with the project's recipe, or with parts of it changed"
    return partial(with_recipe, Recipe(arch=arch, pretrained=False, **recipe), change)


def stock(path, store, tr, va, args):
    "Stock fastai: vision_learner from scratch, aug_transforms, two workers"
    set_seed(0)
    learn = vision_learner(fastai_dls(path, va, 64, 2, True), resnet18, pretrained=False)
    spent = fit(learn, args)
    return torch.nn.Sequential(learn.model, Difference()), lambda x: to_planes(torch.from_numpy(x))/255, *spent # As fastai feeds it: 0–1


class Difference(torch.nn.Module):
    "Two logits to one"
    def forward(self, x): return x[:,1]-x[:,0]


def study(path, store, tr, va, args):
    "The small CNN of a widely copied Kaggle study, with its faults: 46 px, no normalisation, no augmentation, dropout at evaluation"
    set_seed(0)
    net,data = StudyCNN(),StudyFiles(path)
    opt,clock,epoch = torch.optim.Adam(net.parameters(), lr=3e-4),Clock(args.pause),0
    loader = torch.utils.data.DataLoader(torch.utils.data.Subset(data, tr.tolist()), 32, shuffle=True, num_workers=2)
    ends = lambda: epoch>=args.epochs if args.epochs else clock.seconds()>60*args.minutes
    clock.start()
    while not ends():
        for x,y in loader:
            F.nll_loss(net(x), y).backward()
            opt.step()
            opt.zero_grad()
            if not args.epochs and ends(): break
        epoch += 1
    return torch.nn.Sequential(net, Difference()), lambda x: torch.stack([data.tfm(Image.fromarray(o)) for o in x]), epoch, clock.seconds()


# The reference CNN: one-cycle AdamW to 4e-3, D4 and colour variation; no averaging, no smoothing, no shifts, no other laboratories, no bfloat16
CONTENDERS = {'stock fastai resnet18':stock, 'small CNN of the study':study,
              'reference CNN':project('patchcnn', lambda net: reference_net(), average=0, smooth=0, shift=0, strong_stain=0, precision='fp32'),
              **{o:project(o) for o in ('patchcnn','d4net','resnet18','densenet121')}}
