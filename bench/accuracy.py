"""Accuracy: contenders trained on the same patches for the same time, or the same number of epochs, judged on three disjoint holdouts.

python bench/accuracy.py --data KAGGLE_FOLDER [--minutes 6] [--epochs 10] [--only d4net,patchcnn]

Nothing else should run meanwhile. What is done is kept in results/, so that an interrupted run goes on where it was.
"""
import json, time
from pathlib import Path

from common import arguments, finish, kaggle_folder
from peers import StudyCNN, StudyFiles, fastai_dls, reference_net
import numpy as np, torch
import torch.nn.functional as F
from fastai.vision.all import Callback, CancelFitException, CancelValidException, resnet18, set_seed, vision_learner
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from pcam_nb.augment import normalise, to_planes, turn
from pcam_nb.data import channel_stats, patch_dls
from pcam_nb.store import open_store
from pcam_nb.train import Recipe, kept_model, patch_learner, recipe_callbacks

LONG = 1000 # Epochs, when time is what ends a training


class Budget(Callback):
    "End a training after `seconds`, with its schedule stretched over them; no validation"
    order = 90
    def __init__(self, seconds): self.seconds = seconds
    def before_fit(self): self.start = time.perf_counter()
    def before_validate(self): raise CancelValidException
    def after_batch(self):
        if not self.seconds: return
        self.learn.pct_train = min((time.perf_counter()-self.start)/self.seconds, 1)
        if self.pct_train>=1: raise CancelFitException


def fit(learn, args, lr):
    "Train `learn` for the minutes or epochs that are asked for; the epochs that it had"
    budget = Budget(0 if args.epochs else 60*args.minutes)
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(args.epochs or LONG, lr, cbs=budget)
    return args.epochs or learn.train_iter/len(learn.dls.train)


@torch.inference_mode()
def predict(net, x, tta=1, bs=32):
    "Probabilities of planes N×3×H×W, the mean of logits over `tta` turns, and milliseconds a patch of one turn"
    net.eval()
    net(x[:bs])
    start,out = time.perf_counter(),[]
    for b in x.split(bs): out.append(torch.stack([net(turn(b, k).contiguous()).flatten() for k in range(tta)]).mean(0))
    return torch.sigmoid(torch.cat(out)).numpy(), 1000*(time.perf_counter()-start)/len(x)/tta


def project(arch):
    "A network by name, with the project's recipe"
    def _train(path, store, tr, va, args):
        recipe = Recipe(arch=arch, pretrained=False)
        return with_recipe(lambda dls: patch_learner(dls, arch, pretrained=False), recipe, store, tr, va, args)
    return _train


def reference(path, store, tr, va, args):
    "The plain reference CNN: one-cycle AdamW to 4e-3, D4 and colour variation, no averaging, no smoothing"
    recipe = Recipe(average=0, smooth=0)

    def learner(dls):
        learn = patch_learner(dls, recipe.arch)
        learn.model = reference_net().to(memory_format=torch.channels_last)
        return learn
    return with_recipe(learner, recipe, store, tr, va, args)


def with_recipe(learner, recipe, store, tr, va, args):
    "Train what `learner` makes by `recipe`: the network, planes of the holdout, epochs"
    set_seed(recipe.seed)
    stats = channel_stats(store, tr)
    dls = patch_dls(store, (tr,va), bs=recipe.bs, device='cpu', stats=stats, d4=recipe.d4, stain=recipe.stain, verbose=False)
    learn = learner(dls)
    learn.add_cbs(recipe_callbacks(recipe, recipe.bs))
    epochs = fit(learn, args, learn.lr)
    return kept_model(learn), normalise(to_planes(torch.from_numpy(store.patches[va])), *stats), epochs


def stock(path, store, tr, va, args):
    "Stock fastai: vision_learner from scratch, aug_transforms, two workers"
    set_seed(0)
    dls = fastai_dls(path, va, 64, 2, True)
    learn = vision_learner(dls, resnet18, pretrained=False)
    epochs = fit(learn, args, learn.lr)
    return torch.nn.Sequential(learn.model, Difference()), to_planes(torch.from_numpy(store.patches[va]))/255, epochs # As fastai feeds it: 0–1


class Difference(torch.nn.Module):
    "Two logits to one"
    def forward(self, x): return x[:,1]-x[:,0]


def study(path, store, tr, va, args):
    "The small CNN of a widely copied Kaggle study, with its faults: 46 px, no normalisation, no augmentation, dropout at evaluation"
    set_seed(0)
    net,data = StudyCNN(),StudyFiles(path)
    opt,start,epoch = torch.optim.Adam(net.parameters(), lr=3e-4),time.perf_counter(),0
    loader = torch.utils.data.DataLoader(torch.utils.data.Subset(data, tr.tolist()), 32, shuffle=True, num_workers=2)
    ends = lambda: epoch>=args.epochs if args.epochs else time.perf_counter()-start>60*args.minutes
    while not ends():
        for x,y in loader:
            F.nll_loss(net(x), y).backward()
            opt.step()
            opt.zero_grad()
            if not args.epochs and ends(): break
        epoch += 1
    return torch.nn.Sequential(net, Difference()), torch.stack([data[i][0] for i in va]), epoch


CONTENDERS = {'stock fastai resnet18':stock, 'small CNN of the study':study, 'reference CNN':reference,
              **{o:project(o) for o in ('patchcnn','d4net','resnet18','densenet121')}}


def holdouts(store, folds):
    "Disjoint holdouts of a fifth each, and the rest"
    split = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(store)), store.table.label.astype(int))
    return [(tr,va) for tr,va in split][:folds]


def run(path, store, args, kept):
    "Train all contenders on all folds that are not in `kept`, a folder; one JSON file each"
    for fold,(tr,va) in enumerate(holdouts(store, args.folds)):
        for name in args.only.split(','):
            file = kept/f"{name.replace(' ','_')}_{fold}.json"
            if file.is_file(): continue
            start = time.perf_counter()
            net,x,epochs = CONTENDERS[name](path, store, tr, va, args)
            seconds = time.perf_counter()-start
            p,ms = predict(net, x)
            found = dict(rows=va.tolist(), p=p.round(6).tolist(), ms=ms, epochs=epochs, seconds=seconds, parameters=sum(o.numel() for o in net.parameters()))
            if name not in ('d4net','small CNN of the study'): found['p8'] = predict(net, x, 8)[0].round(6).tolist()
            file.write_text(json.dumps(found))
            print(f"  holdout {fold+1}, {name}: AUC {roc_auc_score(store.table.label[va].astype(int), p):.4f}, {epochs:.1f} epochs, {seconds:.0f} s", flush=True)


def pooled(store, kept, names):
    "Name to labels, probabilities and what else was measured, over the holdouts that all have"
    res = {}
    for name in names:
        runs = [json.loads(o.read_text()) for o in sorted(kept.glob(f"{name.replace(' ','_')}_?.json"))]
        if not runs: continue
        y = store.table.label.iloc[np.concatenate([o['rows'] for o in runs])].to_numpy(int)
        mean = {k:float(np.mean([o[k] for o in runs])) for k in ('ms','epochs','seconds','parameters')}
        res[name] = dict(y=y, p=np.concatenate([o['p'] for o in runs]), holdouts=len(runs), **mean)
        if 'p8' in runs[0]: res[f'{name} + 8-way averaging'] = dict(res[name], p=np.concatenate([o['p8'] for o in runs]), ms=8*mean['ms'])
    return res


def bootstrap(y, ps, rounds=2000):
    "AUCs of each of `ps` in `rounds` resamples of the patches, the same for all"
    rng,out = np.random.default_rng(0),[]
    for _ in range(rounds):
        i = rng.integers(0, len(y), len(y))
        out.append([roc_auc_score(y[i], p[i]) for p in ps])
    return np.array(out)


def ece(y, p, bins=15):
    "Expected calibration error over bins of equal mass"
    parts = np.array_split(np.argsort(p), bins)
    return sum(len(i)*abs(y[i].mean()-p[i].mean()) for i in parts)/len(y)


def main():
    args = arguments(__doc__, 4800, minutes=6., epochs=0, folds=3, only=','.join(CONTENDERS))
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store', progress=False)
    how = f'{args.epochs}_epochs' if args.epochs else f'{args.minutes:g}_minutes'
    kept = Path(args.out)/f'accuracy_{how}'
    kept.mkdir(parents=True, exist_ok=True)
    run(path, store, args, kept)
    res = pooled(store, kept, CONTENDERS)
    whole = {k:r for k,r in res.items() if r['holdouts']==max(o['holdouts'] for o in res.values())}
    y = next(iter(whole.values()))['y']
    aucs = bootstrap(y, [r['p'] for r in whole.values()])
    low,high = np.quantile(aucs, [.025,.975], axis=0)
    names,auc = list(whole),[roc_auc_score(y, r['p']) for r in whole.values()]
    own = names.index(Recipe().arch) if Recipe().arch in whole else 0
    dlow,dhigh = np.quantile(aucs[:,[own]]-aucs, [.025,.975], axis=0)
    rows = []
    for i,(name,r) in enumerate(whole.items()):
        rows.append({'':name, 'AUC':f'{auc[i]:.4f}', '95 %':f'{low[i]:.4f}–{high[i]:.4f}',
            f'{names[own]} minus this':'' if i==own else f'{auc[own]-auc[i]:+.4f} ({dlow[i]:+.4f} to {dhigh[i]:+.4f})',
            'accuracy':f"{accuracy_score(y, r['p']>.5):.3f}", 'F1':f"{f1_score(y, r['p']>.5):.3f}", 'ECE':f"{ece(y, r['p']):.3f}",
            'parameters':f"{r['parameters']:,.0f}", 'epochs':f"{r['epochs']:.1f}", 'training, s':f"{r['seconds']:.0f}", 'ms a patch':f"{r['ms']:.2f}"})
    finish(f'accuracy_{how}', args, rows, holdouts=int(next(iter(whole.values()))['holdouts']))


if __name__=='__main__': main()
