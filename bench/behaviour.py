"""What a trained network does when a patch is turned, when its ring is changed, and when its centre is.

python bench/behaviour.py --data KAGGLE_FOLDER [--epochs 10] [--archs d4net,patchcnn] [--rings 0,.1,.2]

Tumour patches of a holdout get the ring, or the centre, of a normal patch of the holdout. Networks are trained on patches as they are, and with a share of them in the
rings of others.
"""
from itertools import product

from accuracy import holdouts
from common import finish, kaggle_folder
from contenders import predict, project, training_arguments
import numpy as np, torch
from sklearn.metrics import roc_auc_score
from pcam_nb.augment import turn
from pcam_nb.core import CENTRE
from pcam_nb.store import open_store


def mixed(x, other, centre):
    "Patches `x` with the centre of the patches `other`, or with their ring"
    inner,outer = (other,x) if centre else (x,other)
    out = outer.copy()
    out[:,CENTRE,CENTRE] = inner[:,CENTRE,CENTRE]
    return out


@torch.inference_mode()
def turned(net, x):
    "The largest difference between the logits of a patch over its eight turns"
    logits = torch.stack([torch.cat([net(turn(b, k).contiguous())[:,0] for b in x.split(32)]) for k in range(8)])
    return float((logits.amax(0)-logits.amin(0)).max())


def main():
    args = training_arguments(__doc__, 4800, epochs=10, archs='d4net,patchcnn', rings='0,.1,.2')
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store', progress=False)
    tr,va = holdouts(store, 1)[0]
    y,rng = store.table.label.to_numpy(int),np.random.default_rng(0)
    held,positive = store.patches[va],y[va]==1
    tumour,normal = held[positive],store.patches[rng.choice(va[~positive], positive.sum())]
    rows = []
    for arch,rings in product(args.archs.split(','), map(float, args.rings.split(','))):
        net,prepare,*_ = project(arch, rings=rings)(path, store, tr, va, args)
        x = prepare(held)
        p = predict(net, x)[0]
        ring,centre = [np.abs(predict(net, prepare(mixed(tumour, normal, o)))[0]-p[positive]).mean() for o in (False,True)]
        rows.append({'':arch, 'rings exchanged in training':f'{rings:.0%}', 'AUC':f'{roc_auc_score(positive, p):.4f}',
            'another ring moves the probability by':f'{ring:.3f}', 'another centre':f'{centre:.3f}', 'ring / centre':f'{ring/centre:.2f}',
            'logits over the eight turns differ by at most':f'{turned(net, x):.1e}'})
    finish('behaviour', args, rows, patches_changed=len(tumour))


if __name__=='__main__': main()
