"""What a trained network does when a patch is flipped or rotated, when its context is changed, and when its centre is.

python bench/behaviour.py --data KAGGLE_FOLDER [--epochs 10] [--archs d4net,patchcnn] [--context-swap 0,.1,.2]

Tumour patches of a holdout get the context, or the centre, of a patch without tumour in its centre. Networks are trained on unchanged patches, and with a context swap
for a fraction of them.
"""
from itertools import product

from accuracy import holdouts
from common import finish, kaggle_folder
from contenders import predict, project, training_arguments
import numpy as np, torch
from sklearn.metrics import roc_auc_score
from pcam_nb.augment import flip_rotate
from pcam_nb.core import CENTRE
from pcam_nb.store import open_store


def mixed(x, other, centre):
    "Patches `x` with the centre of the patches `other`, or with their context"
    inner,outer = (other,x) if centre else (x,other)
    out = outer.copy()
    out[:,CENTRE,CENTRE] = inner[:,CENTRE,CENTRE]
    return out


@torch.inference_mode()
def d4_difference(net, x):
    "The largest difference between the logits of a patch over its eight flips and rotations"
    logits = torch.stack([torch.cat([net(flip_rotate(b, k).contiguous())[:,0] for b in x.split(32)]) for k in range(8)])
    return float((logits.amax(0)-logits.amin(0)).max())


def main():
    args = training_arguments(__doc__, 4800, epochs=10, archs='d4net,patchcnn', context_swap='0,.1,.2')
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store', progress=False)
    tr,va = holdouts(store, 1)[0]
    y,rng = store.table.label.to_numpy(int),np.random.default_rng(0)
    held,positive = store.patches[va],y[va]==1
    tumour,normal = held[positive],store.patches[rng.choice(va[~positive], positive.sum())]
    rows = []
    for arch,context_swap in product(args.archs.split(','), map(float, args.context_swap.split(','))):
        net,prepare,*_ = project(arch, context_swap=context_swap)(path, store, tr, va, args)
        x = prepare(held)
        p = predict(net, x)[0]
        context,centre = [np.abs(predict(net, prepare(mixed(tumour, normal, o)))[0]-p[positive]).mean() for o in (False,True)]
        rows.append({'':arch, 'context swapped in training':f'{context_swap:.0%}', 'AUC':f'{roc_auc_score(positive, p):.4f}',
            'another context moves the probability by':f'{context:.3f}', 'another centre':f'{centre:.3f}', 'context / centre':f'{context/centre:.2f}',
            'logits over the eight flips and rotations differ by at most':f'{d4_difference(net, x):.1e}'})
    finish('behaviour', args, rows, patches_changed=len(tumour))


if __name__=='__main__': main()
