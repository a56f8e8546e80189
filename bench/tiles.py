"""From annotated slides to a detector: 20 synthetic slides are cut, a network is trained, 10 others are read; then once more with hard negatives. And how fast slides are cut.

python bench/tiles.py [--slide FILE]

The slides are synthetic, with 0 to 3 tumours of .25 to .9 mm, outlines as QuPath and as ASAP write them. `--slide` names a scanner file to cut beside them. `--only circle` or `--only speed` runs one part; `--name` goes into the name of its file.
Cutting and plain OpenSlide read the same windows in one process, interleaved; OpenSlide decodes each window by itself into an array, and resamples none.
"""
import json, subprocess, sys, tempfile, time
from pathlib import Path

from common import arguments, finish, HERE
import numpy as np, openslide, pandas as pd
from pcam_nb.annotation import read_outlines, write_asap
from pcam_nb.core import in_processes, UM_PER_PX
from pcam_nb.sample_slide import generate_slide, write_pyramid
from pcam_nb.scan import CELL, Scan, tissue_mask
from pcam_nb.tiles import cut_windows
from pcam_nb.tissue import windows_with_tissue


def make_slide(folder, side, job):
    "A synthetic slide with outlines, every other as ASAP writes them, every fourth without tumour"
    i,seed = job
    rng = np.random.default_rng(seed)
    mm = tuple((rng.uniform(.08, .3, rng.integers(1, 4))*side*UM_PER_PX/1000).clip(.25).round(2).tolist()) if i%4<3 else ()
    path = folder/f'{seed}.tif'
    for n in range(len(mm), -1, -1): # Fewer where there is no room for all
        try: generate_slide(path, side, side*4//5, mm[:n], pen=i%5==0, seed=seed, workers=1, progress=False)
        except ValueError: continue
        break
    if not mm: path.with_suffix('.geojson').unlink()
    elif i%2:
        write_asap(read_outlines(path.with_suffix('.geojson')), path.with_suffix('.xml'))
        path.with_suffix('.geojson').unlink()


def run(*args):
    "A command in a process of its own; seconds"
    start = time.perf_counter()
    subprocess.run([sys.executable, '-W', 'ignore', '-m', 'pcam_nb.cli', *map(str, args)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter()-start


def evaluated(tmp, name):
    "Metrics of a run on the other slides"
    run('pcam_slide', tmp/name, tmp/'test', '--out', tmp/f'{name}_maps', '--device', 'cpu')
    run('pcam_slide_eval', tmp/f'{name}_maps', '--annotations', tmp/'test', '--unannotated', 'normal', '--out', tmp/f'{name}_report')
    return json.loads((tmp/f'{name}_report'/'metrics.json').read_text()), pd.read_csv(tmp/f'{name}_report'/'detections.csv')


def paired(a, b, tumours, rounds=2000):
    "Interval of the difference of two FROC scores over the same slides"
    from pcam_nb.slide_eval import froc
    rng,slides,out = np.random.default_rng(0),tumours.index.to_numpy(),[]
    by = [{k:v for k,v in o.groupby(o.slide.astype(str))} for o in (a,b)]
    for _ in range(rounds):
        drawn = rng.choice(slides, len(slides))
        if not tumours[drawn].sum(): continue
        scores = [froc(pd.concat([o[s].assign(slide=i) for i,s in enumerate(drawn) if s in o]), int(tumours[drawn].sum()), len(slides))['score'] for o in by]
        out.append(scores[1]-scores[0])
    return np.quantile(out, [.025,.975]).tolist()


def circle(args, tmp):
    "Both rounds; rows and all that was measured"
    for part,n,first in (('train',args.slides,0), ('test',args.others,1000)):
        (tmp/part).mkdir()
        list(in_processes(lambda job: make_slide(tmp/part, args.side, job), [(i,first+i) for i in range(n)], None, 1))
    seconds,found = {},{}
    cut = ('pcam_tiles', tmp/'train', '--annotations', tmp/'train', '--unannotated', 'normal', '--hard-per-slide', args.hard_per_slide, '--per-slide', args.per_slide)
    seconds['cut'] = run(*cut, '--out', tmp/'tiles')
    seconds['train'] = run('pcam_train', tmp/'tiles', '--arch', 'patchcnn', '--epochs', args.epochs, '--out', tmp/'first', '--device', 'cpu')
    found['first'] = evaluated(tmp, 'first')
    seconds['cut, hard negatives'] = run(*cut, '--hard', tmp/'first', '--out', tmp/'tiles_hard', '--device', 'cpu')
    seconds['train again'] = run('pcam_train', tmp/'tiles_hard', '--arch', 'patchcnn', '--epochs', args.epochs, '--out', tmp/'second', '--device', 'cpu')
    found['second'] = evaluated(tmp, 'second')
    seconds['cut, more at random'] = run(*cut[:-1], 2*args.per_slide, '--out', tmp/'tiles_more')
    seconds['train on more'] = run('pcam_train', tmp/'tiles_more', '--arch', 'patchcnn', '--epochs', args.epochs, '--out', tmp/'more', '--device', 'cpu')
    found['more'] = evaluated(tmp, 'more')
    kinds = pd.read_csv(tmp/'tiles_hard'/'table.csv', usecols=['kind']).kind.value_counts().to_dict()
    tumours = pd.Series({o.stem:0 for o in (tmp/'test').glob('*.tif')})
    said = pd.read_csv(tmp/'first_report'/'tumours.csv')
    for k,v in said[~said.itc].slide.astype(str).value_counts().items(): tumours[k] = v
    low,high = paired(found['first'][1], found['second'][1], tumours)
    names = dict(first='first round', second='second round, with hard negatives', more='first round, twice as many a slide at random')
    rows = [{'':f'{names[k]}: FROC score on {args.others} other slides, {m["froc"]["tumours"]} tumours', 'measured':f"{m['froc']['score']:.3f} ({m['froc']['low']:.3f}–{m['froc']['high']:.3f})"} for k,(m,_) in found.items()]
    rows.append({'':'second round minus first, interval over slides', 'measured':f"{found['second'][0]['froc']['score']-found['first'][0]['froc']['score']:+.3f} ({low:+.3f} to {high:+.3f})"})
    tables_of = {k:len(pd.read_csv(tmp/v/'table.csv', usecols=['kind'])) for k,v in dict(first='tiles', second='tiles_hard', more='tiles_more').items()}
    rows.append({'':'patches: first round, second, more at random', 'measured':', '.join(f'{o:,}' for o in tables_of.values())})
    rows.append({'':'patches of the second round: sampled, false positives, missed', 'measured':', '.join(f'{kinds.get(k, 0):,}' for k in ('sampled','false positive','missed'))})
    rows.append({'':'slides to a trained network, two commands', 'measured':f"{seconds['cut']:.0f} s + {seconds['train']:.0f} s"})
    return rows, dict(seconds=seconds, kinds=kinds, froc={k:m['froc'] for k,(m,_) in found.items()}, difference=[low,high])


def plain(path, boxes, level):
    "All `boxes` (x, y of the first level, width, height) by OpenSlide alone; how many"
    slide = openslide.OpenSlide(path)
    for x,y,w,h in boxes: np.asarray(slide.read_region((x,y), level, (w,h)).convert('RGB'))
    return len(boxes)


def speed(args, path, step, repeats):
    "Patches/s of OpenSlide, of cutting, and the ratio of each round, on every `step`-th window of a slide"
    scan = Scan(path)
    row,col = np.nonzero(windows_with_tissue(tissue_mask(scan.overview(CELL))))
    row,col = row[::step][:args.most],col[::step][:args.most]
    boxes = []
    for r,c in zip(row, col):
        y,x = scan.to_slide(r*scan.stride, c*scan.stride)
        boxes.append((int(x)+scan.file.origin[0], int(y)+scan.file.origin[1], *[int(np.ceil(96*s)) for s in scan.scale[::-1]]))
    rates = {'OpenSlide':[], 'cutting':[]}
    for i in range(repeats+1):
        for name in rates:
            start = time.perf_counter()
            n = plain(path, boxes, scan.level) if name=='OpenSlide' else sum(len(at) for at,_ in cut_windows(Scan(path), row, col))
            if i: rates[name].append(n/(time.perf_counter()-start))
    return len(row), rates


def measure_memory(path, out):
    "Own memory of a process that cuts a slide, MB; in a process of its own"
    code = f"""
import sys, threading
sys.path.insert(0, {str(HERE)!r})
from common import own_memory
from pcam_nb.cutting import cut_tiles
from pcam_nb.tiles import Tiling
seen,over = [own_memory()],threading.Event()
watch = threading.Thread(target=lambda: [seen.append(own_memory()) for _ in iter(lambda: over.wait(.05), True)], daemon=True)
watch.start()
cut_tiles([{str(path)!r}], None, {str(out)!r}, Tiling(unannotated='normal', per_slide=20000), workers=1, progress=False)
over.set()
watch.join()
print(max(seen))
"""
    return float(subprocess.check_output([sys.executable, '-W', 'ignore', '-c', code], text=True).split()[-1])


def large_slides(tmp, side):
    "Two large slides, tissue from edge to edge, of one synthetic piece: one at 10×, and one whose pixels say 20×, so that it is resampled"
    generate_slide(tmp/'piece.tif', 3000, 3000, (.6,), seed=1, progress=False)
    piece = Scan(tmp/'piece.tif').file.read(0, 988, 988, 1024, 1024)
    for name,mpp in (('10x',UM_PER_PX), ('20x',.499)):
        strips = (np.tile(piece[i%1024:i%1024+512], (1, side//1024+1, 1))[:min(512, side-i),:side] for i in range(0, side, 512))
        write_pyramid(tmp/f'{name}.tif', strips, (side,side,3), mpp)
    return tmp/'10x.tif', tmp/'20x.tif'


def rates(args, tmp):
    "How fast slides are cut, and how much memory it takes; rows and all that was measured"
    rows,more,paths = [],{},large_slides(tmp, args.large)
    for path in (*paths, *([Path(args.slide)] if args.slide else [])):
        for step,what in ((1,'all'), (13,'every 13th')):
            n,found = speed(args, path, step, args.repeats)
            ratios = np.divide(found['cutting'], found['OpenSlide'])
            rows.append({'':f'{path.name}, {what} of the windows ({n:,}): cutting to OpenSlide', 'measured':f"{np.median(found['cutting']):,.0f} to {np.median(found['OpenSlide']):,.0f} patches/s, {np.median(ratios):.2f} times ({min(ratios):.2f}–{max(ratios):.2f})"})
            more[f'{path.name} {what}'] = found
    memory = measure_memory(paths[0], tmp/'memory')
    rows.append({'':f'own memory, a slide of {args.large:,}×{args.large:,} px at 10×', 'measured':f"{memory:.0f} MB"})
    return rows, dict(rates=more, memory_mb=memory)


def main():
    args = arguments(__doc__, 0, slide='', slides=20, others=10, side=2400, per_slide=120, hard_per_slide=100, epochs=8, most=1500, large=16000, name='', only='')
    for name,f in dict(circle=circle, speed=rates).items():
        if args.only not in ('',name): continue
        with tempfile.TemporaryDirectory() as tmp: rows,more = f(args, Path(tmp))
        finish(f"tiles_{name}{args.name and '_'+args.name}", args, rows, **more)


if __name__=='__main__': main()
