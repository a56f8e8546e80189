"""A slide, mapped by the project in each precision and by each backend, by TIAToolbox's engine and by a loader over windows: one network, one grid, side by side.

python bench/peers_slide.py [--slide FILE] [--run pcam-small] [--side 6000] [--workers 2]

Each in a process of its own, in turn; measured from the opened network to the probabilities of all windows with tissue. Those who compute window by window are told where
tissue is. What isn't installed (tiatoolbox, onnxruntime, openvino) is left out. `--export` keeps the exported files in a folder, for a second call without torch's exporter.
"""
import json, subprocess, sys, tempfile, time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from common import HERE, arguments, finish, interleaved, table
import numpy as np
from pcam_nb.core import SIZE, UM_PER_PX
from pcam_nb.infer import Predictor
from pcam_nb.scan import CELL, Scan, tissue_mask
from pcam_nb.score import score_scan, windows_with_tissue


def opened(slide):
    "A scan, and which of its windows hold tissue"
    scan = Scan(slide)
    return scan, windows_with_tissue(tissue_mask(scan.overview(CELL)))


def project(slide, run, precision='auto', backend='auto', **_):
    "What `pcam_slide` does, up to the map"
    predictor = Predictor.load(run, 'cpu', precision, backend)
    start,(scan,wanted) = time.perf_counter(),opened(slide)
    p = predictor.probability(score_scan(predictor, scan, wanted, progress=False)[wanted])
    return time.perf_counter()-start, p


def loader(slide, run, workers, **_):
    "OpenSlide and Pillow, window by window, PyTorch's DataLoader, the network in float32"
    import torch
    from openslide import OpenSlide
    from PIL import Image
    predictor,start,(scan,wanted) = Predictor.load(run, 'cpu', 'fp32'),time.perf_counter(),opened(slide)
    places,px = np.argwhere(wanted)*scan.stride,np.array(scan.scale) # y and x; px of the level for one of the grid
    to_first = np.array(scan.file.ratios[scan.level])[::-1]

    class Windows(torch.utils.data.Dataset):
        slide = None
        def __len__(self): return len(places)
        def __getitem__(self, i):
            self.slide = self.slide or OpenSlide(slide)
            y,x = ((scan.origin+places[i]*px)*to_first).round().astype(int)
            h,w = (SIZE*px).round().astype(int)
            return np.asarray(self.slide.read_region((x,y), scan.level, (w,h)).convert('RGB').resize((SIZE,SIZE), Image.Resampling.BILINEAR))
    loaded = torch.utils.data.DataLoader(Windows(), 32, num_workers=workers)
    p = np.concatenate([predictor.probability(predictor.logits(x.numpy())) for x in loaded])
    return time.perf_counter()-start, p


def tiatoolbox(slide, run, workers, **_):
    "TIAToolbox's PatchPredictor, the network in float32"
    import torch, zarr
    from tiatoolbox import logger
    from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig
    from tiatoolbox.models.engine.patch_predictor import PatchPredictor
    from tiatoolbox.models.models_abc import ModelABC
    logger.setLevel('ERROR')
    predictor = Predictor.load(run, 'cpu', 'fp32')

    class Wrapped(ModelABC):
        "The network, as the engine takes it"
        def __init__(self):
            super().__init__()
            self.net = predictor.model
        def forward(self, x): return torch.sigmoid(self.net(predictor.planes(x))/predictor.config.temperature)
        @staticmethod
        def infer_batch(model, batch_data, *, device):
            with torch.inference_mode(): p = model(torch.as_tensor(batch_data)).numpy()
            return np.concatenate([1-p, p], 1)
    start,(scan,wanted) = time.perf_counter(),opened(slide)
    mask = np.zeros([n//CELL for n in scan.size], np.uint8) # The engine takes the windows whose middle is marked
    for r,c in np.argwhere(wanted): mask[(r*scan.stride+SIZE//2)//CELL,(c*scan.stride+SIZE//2)//CELL] = 1
    grid = [dict(units='mpp', resolution=UM_PER_PX)]
    engine = PatchPredictor(Wrapped(), batch_size=32, num_workers=workers, verbose=False)
    with tempfile.TemporaryDirectory() as tmp:
        out = engine.run([slide], masks=[mask], patch_mode=False, save_dir=Path(tmp)/'out', output_type='zarr', return_probabilities=True, device='cpu',
                         ioconfig=IOPatchPredictorConfig(input_resolutions=grid, output_resolutions=grid, patch_input_shape=(SIZE,SIZE), stride_shape=(scan.stride,scan.stride)))
        p = zarr.open(str(next(iter(out.values()))), mode='r')['probabilities'][:,1]
    return time.perf_counter()-start, p


WAYS = dict(project=project, loader=loader, tiatoolbox=tiatoolbox)


def fresh(way, **options):
    "Seconds and probabilities, by a way in a process of its own"
    code = f'import json, sys; sys.path.insert(0, {str(HERE)!r}); from peers_slide import WAYS; s,p = WAYS[{way!r}](**json.loads(sys.argv[1])); print(json.dumps([s, p.tolist()]))'
    seconds,p = json.loads(subprocess.check_output([sys.executable, '-W', 'ignore', '-c', code, json.dumps(options)], text=True).splitlines()[-1])
    return seconds, np.array(p)


def main():
    args = arguments(__doc__, 512, slide='', side=6000, run='pcam-small', workers=2, export='')
    with tempfile.TemporaryDirectory() as tmp:
        slide,file = args.slide or str(Path(tmp)/'slide.tif'),Path(args.export or tmp)/'model.onnx'
        if not args.slide:
            from pcam_nb.sample_slide import generate_slide
            generate_slide(Path(slide), args.side, args.side, (args.side*UM_PER_PX*2e-4,), progress=False)
        ours = {'default':dict(run=args.run), 'float32, as it was trained':dict(run=args.run, precision='fp32')}
        if find_spec('onnxruntime') and find_spec('onnxscript'):
            from pcam_nb.export import export_onnx
            if not file.is_file(): export_onnx(Predictor.load(args.run, 'cpu', 'fp32'), file)
            ours['ONNX Runtime'] = dict(run=str(file), backend='onnx')
            if find_spec('openvino'): ours |= {f'OpenVINO, {k}':dict(run=str(file), backend='openvino', precision=v) for k,v in {'float32':'fp32','bfloat16':'bf16'}.items()}
        own = {f'pcam_nb, {k}':lambda o=o: fresh('project', slide=slide, **o) for k,o in ours.items()}
        name = f"TIAToolbox {version('tiatoolbox')}" if find_spec('tiatoolbox') else ''
        peers = {'OpenSlide and DataLoader':'loader', **({name:'tiatoolbox'} if name else {})}
        runs = own | {f'{k}, {count} workers':lambda o=o, count=count: fresh(o, slide=slide, run=args.run, workers=count) for k,o in peers.items() for count in {0,args.workers}}
        maps = {}

        def counted(name, f):
            seconds,maps[name] = f()
            return len(maps[name]), seconds
        rates = interleaved({k:lambda k=k,f=f: counted(k, f) for k,f in runs.items()}, args.repeats)
        exact = maps['pcam_nb, float32, as it was trained']
        best = max((o for o in rates if o not in own), key=lambda o: np.median(rates[o]))
        rows = [{'windows/s' if k=='patches/s' else k:v for k,v in o.items()} for o in table(rates, best)]
        for row in rows:
            p = maps[row['']]
            row |= {'windows':f'{len(p):,}', 'mean difference of a probability':f'{abs(p-exact).mean():.4f}' if len(p)==len(exact) else 'another grid'}
    finish('peers_slide', args, rows, rates=rates)


if __name__=='__main__': main()
