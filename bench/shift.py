"""Another staining: networks trained on synthetic slides of one range of staining, evaluated on slides of the same range and of others.

python bench/shift.py [--minutes 6] [--n 1600]
"""
from pathlib import Path
import tempfile

from common import finish
from contenders import CONTENDERS, predict, training_arguments
import numpy as np
from sklearn.metrics import roc_auc_score
from pcam_nb.sample import make_sample
from pcam_nb.store import open_store

RANGES = {'same staining':(.9,1.1), 'weaker staining':(.5,.7), 'stronger staining':(1.4,1.8)}
NAMES = ('d4net','patchcnn','stock fastai resnet18')


def main():
    args = training_arguments(__doc__, 1600, test=800)
    with tempfile.TemporaryDirectory() as tmp:
        draw = lambda name,n,seed: make_sample(Path(tmp)/name/'data', train=n, test=0, slides=max(n//60, 8), seed=seed, stain=RANGES[name.split('/')[0]])
        store_of = lambda path: open_store(path, path.parent/'store', progress=False)
        path = draw('same staining/train', args.n, 0)
        store,tests = store_of(path),{o:store_of(draw(f'{o}/test', args.test, 1)) for o in RANGES}
        rows = []
        for name in NAMES:
            net,prepare,epochs,_ = CONTENDERS[name](path, store, np.arange(64, args.n), np.arange(64), args)
            auc = {o:roc_auc_score(s.table.label.to_numpy(int), predict(net, prepare(np.array(s.patches)))[0]) for o,s in tests.items()}
            drops = {o:auc['same staining']-v for o,v in auc.items() if o!='same staining'}
            rows.append({'':name, **{f'AUC, {o}':f'{v:.4f}' for o,v in auc.items()}, **{f'drop, {o}':f'{v:.4f}' for o,v in drops.items()}, 'epochs':f'{epochs:.1f}'})
        args.data = None
        finish('shift', args, rows)


if __name__=='__main__': main()
