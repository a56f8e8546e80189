"""Predicting a folder of TIFFs, beside the network's own rate on patches that are in memory.

python bench/infer.py [--data KAGGLE_FOLDER] [--device cuda]
"""
from common import arguments, finish, interleaved, kaggle_folder, table
from peers import Files, fastai_dls
import numpy as np, pandas as pd, torch
from fastai.vision.all import Learner
from pcam_nb.data import channel_stats
from pcam_nb.export import export_onnx
from pcam_nb.infer import Predictor
from pcam_nb.model import make_model
from pcam_nb.run import RunConfig, RunData
from pcam_nb.store import open_store


def network(pred, x):
    "A function that runs the bare network on batches ready made"
    bs = pred.bs
    batches = [(torch.from_numpy(x[i:i+bs]).permute(0,3,1,2)/255).contiguous().to(pred.device) for i in range(0, len(x), bs)]
    @torch.inference_mode()
    def _run():
        for b in batches: pred.model(b).cpu()
        return len(x)
    return _run


def stock(path, pred, workers=2):
    "Stock fastai: test_dl and get_preds"
    learn = Learner(fastai_dls(path, [0], 64, workers, False, str(pred.device)), pred.model, loss_func=torch.nn.BCEWithLogitsLoss())
    rows = pd.read_csv(path/'train_labels.csv', dtype=dict(id=str))
    def _run():
        with learn.no_bar(): return len(learn.get_preds(dl=learn.dls.test_dl(rows, num_workers=workers))[0])
    return _run


def one_by_one(path, pred, n=400):
    "A loop over files, as most notebooks have it"
    data = Files(path, False)
    @torch.inference_mode()
    def _run():
        for i in range(min(n, len(data))): pred.model(data[i][0][None].to(pred.device)).sigmoid().item()
        return min(n, len(data))
    return _run


def main():
    args = arguments(__doc__, 2048, arch='patchcnn')
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store')
    mean,std = channel_stats(store, np.arange(len(store)))
    config = RunConfig(arch=args.arch, mean=mean, std=std, data=RunData(slides='none'))
    torch.manual_seed(0)
    pred = Predictor(make_model(args.arch).eval().to(memory_format=torch.channels_last), config, args.device)
    onnx = Predictor.load(export_onnx(pred, path.parent/'model.onnx'), args.device)
    x,folder = np.array(store.patches),path/'train'
    each = lambda p,tta=1: lambda: len(p.predict_folder(folder, tta=tta, progress=False)[0])
    top = f'{args.arch}, batches in memory'
    runs = {top:network(pred, x), 'pcam_nb, folder':each(pred), 'pcam_nb, folder, 8-way averaging':each(pred, 8),
            'pcam_nb, folder, ONNX Runtime':each(onnx), 'stock fastai, 2 workers':stock(path, pred), 'a loop over files':one_by_one(path, pred)}
    rates = interleaved(runs, args.repeats, args.device)
    eight = np.median(np.divide(rates['pcam_nb, folder'], rates['pcam_nb, folder, 8-way averaging']))
    print(f'8-way averaging takes {eight:.2f} times as long as one look')
    finish('infer', args, table(rates, top), rates=rates, eight=eight)


if __name__=='__main__': main()
