"""Predicting a folder of TIFFs, in each precision and by each backend, beside the network's own rate on patches that are in memory; and what a precision changes.

python bench/infer.py [--data KAGGLE_FOLDER] [--run pcam-small] [--device cuda]
"""
from common import arguments, finish, flops, interleaved, kaggle_folder, peak, table
from peers import Files, fastai_dls
import numpy as np, pandas as pd, torch
from fastai.vision.all import Learner
from sklearn.metrics import roc_auc_score
from pcam_nb.export import export_onnx
from pcam_nb.infer import Predictor
from pcam_nb.int8 import export_int8
from pcam_nb.metrics import ece
from pcam_nb.store import open_store
from pcam_nb.train import Recipe, train


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


def changes(predictors, store):
    "Rows: AUC, calibration error and decisions of each predictor on labelled patches, against the first"
    x,y,rows,first = np.array(store.patches),store.table.label.to_numpy(int),[],None
    for name,o in predictors.items():
        p = np.concatenate([o.predict(part) for part in np.array_split(x, -(-len(x)//256))])
        first = p if first is None else first
        rows.append({'':name, 'AUC':f'{roc_auc_score(y, p):.5f}', 'ECE':f'{ece(y, p):.4f}', 'decisions changed':f'{((p>=.5)!=(first>=.5)).sum()} of {len(y):,}',
                     'largest change of a probability':f'{abs(p-first).max():.4f}'})
    return rows


def main():
    args = arguments(__doc__, 2048, arch='patchcnn', run='')
    path,keep = kaggle_folder(args.data, args.n)
    store = open_store(path, path.parent/'store')
    run = args.run or train(store, path.parent/'run', Recipe(arch=args.arch, epochs=1), device=args.device, progress=False)
    exact,pred = [Predictor.load(run, args.device, o) for o in ('fp32','auto')]
    file = export_onnx(exact, path.parent/'model.onnx')
    predictors = {'float32, as it was trained':exact, 'default':pred, 'bfloat16':Predictor.load(run, args.device, 'bf16'), 'ONNX Runtime':Predictor.load(file, args.device, backend='onnx')}
    if args.device=='cpu':
        predictors['OpenVINO'] = Predictor.load(file, 'cpu', backend='openvino')
        try: export_int8(exact, store, path.parent/'int8.onnx')
        except ValueError as e: print(e) # Too few patches to judge it on
        else: predictors |= {f'{name}, int8':Predictor.load(path.parent/'int8.onnx', 'cpu', backend=o) for o,name in dict(onnx='ONNX Runtime', openvino='OpenVINO').items()}
    x,folder = np.array(store.patches),path/'train'
    each = lambda p,tta=1: lambda: len(p.predict_folder(folder, tta=tta, progress=False)[0])
    top = f'{args.arch}, batches in memory'
    runs = {top:network(exact, x), **{f'folder, {k}':each(o) for k,o in predictors.items()}, 'folder, default, 8-way averaging':each(pred, 8),
            'stock fastai, 2 workers':stock(path, exact), 'a loop over files':one_by_one(path, exact)}
    with torch.inference_mode(): operations = flops(lambda: exact.model(torch.randn(8, 3, 96, 96, device=exact.device)))/8
    peaks = {o:peak(o, args.device) for o in (torch.float32,torch.bfloat16)}
    rates = interleaved(runs, args.repeats, args.device)
    ratio = lambda a, b: float(np.median(np.divide(rates[a], rates[b])))
    eight,base = ratio('folder, default', 'folder, default, 8-way averaging'),'folder, float32, as it was trained'
    print(f'8-way averaging takes {eight:.2f} times as long as one look')
    share = lambda name: '' if 'int8' in name else f"{np.median(rates[name])*operations*(8 if '8-way' in name else 1)/max(peaks.values()):.0%}"
    rows = [dict(o, **{'to float32':f"{ratio(o[''], base):.2f}", 'of the peak':share(o[''])}) for o in table(rates, top)]
    finish('infer', args, rows, more=[changes(predictors, store)], rates=rates, eight=eight, peaks={str(k):v for k,v in peaks.items()}, operations=operations)


if __name__=='__main__': main()
