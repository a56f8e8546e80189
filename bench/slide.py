"""Whole slides: time, memory, agreement with patch by patch, and tumours found on synthetic slides.

python bench/slide.py [--slide FILE] [--side 20000] [--searched 8]
"""
import json, subprocess, sys, tempfile, threading, time
from pathlib import Path
from unittest import mock

from common import HERE, arguments, finish, own_memory
import numpy as np, pandas as pd
from pcam_nb.slide_eval import froc
from pcam_nb.infer import Predictor
from pcam_nb.core import UM_PER_PX
from pcam_nb.sample import make_sample
from pcam_nb.sample_slide import generate_slide
from pcam_nb.region import detections, lies_in
from pcam_nb.scan import CELL, Scan, tissue_mask
from pcam_nb.score import score_scan, windows_with_tissue
from pcam_nb.slide import read_slide
from pcam_nb.store import open_store


def trained(folder, patches, epochs):
    "A run of d4net on synthetic patches"
    from pcam_nb.train import Recipe, train # Loads fastai, which `measure` does without
    data = make_sample(folder/'data', train=patches, test=0, slides=max(patches//60, 8), progress=False)
    return train(open_store(data, folder/'data.store', progress=False), folder/'run', Recipe(arch='d4net', epochs=epochs), progress=False)


def both_ways(predictor, path, repeats):
    "Windows, largest difference of logits, and how many times as long patch by patch takes, on all windows of a slide"
    scan,maps,ratios = Scan(path),{},[]
    wanted = np.ones((scan.rows, scan.cols), bool)
    for i in range(repeats+1): # The first round warms up
        seconds = {}
        for dense in (True,False):
            start = time.perf_counter()
            maps[dense] = score_scan(predictor, scan, wanted, dense=dense, progress=False)
            seconds[dense] = time.perf_counter()-start
        if i: ratios.append(seconds[False]/seconds[True])
    return maps[True].size, float(np.nanmax(abs(maps[True]-maps[False]))), ratios


def measure(run, path, out):
    "Read a slide; seconds, those of scoring alone, mm² of tissue, largest own memory in MB. In a process of its own, see `fresh`"
    predictor,seen,scoring,over = Predictor.load(run, 'cpu'),[own_memory()],[],threading.Event()
    watch = threading.Thread(target=lambda: [seen.append(own_memory()) for _ in iter(lambda: over.wait(.05), True)])
    watch.start()

    def _score(*args, **kwargs):
        start = time.perf_counter()
        try: return score_scan(*args, **kwargs)
        finally: scoring.append(time.perf_counter()-start)
    start = time.perf_counter()
    with mock.patch('pcam_nb.slide.score_scan', _score): summary = read_slide(predictor, path, out, progress=False)
    seconds = time.perf_counter()-start
    over.set()
    watch.join()
    return dict(seconds=seconds, scoring=scoring[0], tissue_mm2=summary['tissue_mm2'], memory_mb=max(seen))


def fresh(run, path, out):
    "`measure` in a process that has held nothing before"
    code = f'import json, sys; sys.path.insert(0, {str(HERE)!r}); from slide import measure; print(json.dumps(measure({str(run)!r}, {str(path)!r}, {str(out)!r})))'
    return json.loads(subprocess.check_output([sys.executable, '-c', code], text=True).splitlines()[-1])


def search(run, folder, n, side):
    "Synthetic slides, every fourth without tumour: detections with the tumour that they hit, and the tumours' diameters"
    rng,found,sizes = np.random.default_rng(0),[],[]
    predictor = Predictor.load(run, 'cpu')
    for i in range(n):
        mm = tuple((rng.uniform(.04, .3, 3)*side*UM_PER_PX/1000).round(2).tolist()) if i%4<3 else () # 0.14–1.05 mm on 3,600 px
        tumours = generate_slide(folder/f'{i}.tif', side, side*4//5, mm, seed=100+i, progress=False)
        scan = Scan(folder/f'{i}.tif')
        wanted = windows_with_tissue(tissue_mask(scan.overview(CELL)))
        places = detections(scan, predictor.probability(score_scan(predictor, scan, wanted, progress=False)))
        found.append(places.assign(slide=i, tumour=lies_in(places, tumours) if tumours else np.nan))
        sizes += [(i, j, o) for j,o in enumerate(mm)]
    return pd.concat(found), pd.DataFrame(sizes, columns=['slide','tumour','mm'])


def main():
    args = arguments(__doc__, 1400, slide='', side=20000, small=2500, searched=8, searched_side=3600, epochs=8)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        run = trained(tmp, args.n, args.epochs)
        for name,side in (('small',args.small), ('large',args.side)):
            generate_slide(tmp/f'{name}.tif', side, side, (side*UM_PER_PX*2e-4,), progress=False)
        path = args.slide or tmp/'small.tif'
        start = time.perf_counter()
        subprocess.run([sys.executable, '-m', 'pcam_nb.cli', 'pcam_slide', run, path, '--out', tmp/'out', '--device', 'cpu'], check=True)
        rows = [{'':f'`pcam_slide`, {Path(path).name}, start and end included', 'measured':f'{time.perf_counter()-start:.0f} s'}]
        windows,differ,ratios = both_ways(Predictor.load(run, 'cpu'), path, args.repeats)
        rows.append({'':f'the same slide, all {windows:,} windows: patch by patch to dense', 'measured':f'{np.median(ratios):.2f} times as long ({min(ratios):.2f}–{max(ratios):.2f})'})
        rows.append({'':'largest difference of their logits', 'measured':f'{differ:.0e}'})
        sizes = {o:[fresh(run, tmp/f'{o}.tif', tmp/f'{o}_{i}') for i in range(r)] for o,r in (('small',args.repeats),('large',1))}
        per = {k:np.median([o['scoring']/o['tissue_mm2'] for o in v]) for k,v in sizes.items()}
        for k,v in sizes.items(): rows.append({'':f"{k} synthetic slide, {v[0]['tissue_mm2']:.1f} mm² of tissue", 'measured':f"{np.median([o['seconds'] for o in v]):.1f} s, "
                                               f"scoring {1000*per[k]:.0f} ms per mm², own memory {max(o['memory_mb'] for o in v):.0f} MB"})
        rows.append({'':'scoring per mm², large to small', 'measured':f"{per['large']/per['small']:.2f}"})
        found,sizes_mm = search(run, tmp, args.searched, args.searched_side)
        score = froc(found, len(sizes_mm), args.searched)
        hit = sizes_mm.merge(found.dropna(subset='tumour').groupby(['slide','tumour']).probability.max().reset_index(), how='left')
        hit['found'] = hit.probability>=Predictor.load(run, 'cpu').config.threshold
        for name,part in (('above 0.5 mm',hit[hit.mm>.5]), ('up to 0.5 mm',hit[hit.mm<=.5])):
            rows.append({'':f'synthetic tumours {name} found at the operating point', 'measured':f'{part.found.sum()} of {len(part)}'})
        rows.append({'':f'FROC score on {args.searched} synthetic slides', 'measured':f"{score['score']:.3f}"})
    finish('slide', args, rows, ratios=ratios, differ=differ, sizes=sizes, froc=score['at'], tumours=hit.to_dict('records'))


if __name__=='__main__': main()
