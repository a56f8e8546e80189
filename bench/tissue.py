"""Tissue and ink: windows of inked glass that are taken for tissue, and windows of tissue that are taken for ink.

python bench/tissue.py [--data FOLDER] [--slide FILE] [--marks FOLDER]

Strokes of 32 inks of eight colours are drawn over glass, in seven kinds (`--inks` of each colour). `--data` and `--slide` give clean tissue; `--marks` images of inked glass without
tissue, at 0.5 µm per px. A window is what the label looks at, 32×32 px.
"""
from pathlib import Path

from common import arguments, finish, kaggle_folder
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from pcam_nb.image import read_image
from pcam_nb.scan import CELL, SATURATION, Scan, tissue_mask
from pcam_nb.score import windows_with_tissue

INKS = dict(red=[(200,30,40),(225,20,30),(180,0,20),(235,90,90)], pink=[(255,105,180),(235,80,150),(250,150,190),(255,20,147)],
            purple=[(110,40,140),(128,0,128),(150,90,190),(75,0,130)], orange=[(255,140,0),(240,110,30),(255,170,80),(230,120,0)],
            yellow=[(255,230,50),(240,210,0),(250,240,120),(220,200,40)], green=[(30,120,60),(0,150,80),(100,200,120),(0,90,50)],
            blue=[(40,60,160),(0,90,200),(100,150,230),(20,30,100)], black=[(20,20,25),(60,60,65),(100,100,105),(40,30,35)])
KINDS = {'soft edge':dict(blur=10), 'soft, uneven':dict(blur=10, uneven=.15), 'very soft':dict(blur=30), 'sharp edge':dict(), 'sharp, uneven':dict(uneven=.15),
         'noisy':dict(blur=2, noise=6), 'opaque':dict(blur=1, opaque=True)}


def cells(x):
    "Mean colours of cells of 8 px"
    h,w = [o//CELL*CELL for o in x.shape[:2]]
    return x[:h,:w].reshape(h//CELL, CELL, w//CELL, CELL, -1).mean((1,3)).astype(np.float32)


def strokes(rng, ink, width, blur=.6, uneven=0., noise=2., opaque=False, size=(1200,960)):
    "A glass with strokes of a pen `width` px wide, and how much ink lies on each px"
    im = Image.new('L', size)
    draw,points = ImageDraw.Draw(im),[tuple(o) for o in rng.uniform(.1, .9, (5,2))*size]
    draw.line(points, 255, width, 'curve')
    draw.arc([o*k for k in (.2,.8) for o in size], 0, 300, 255, width)
    much = np.asarray(im.filter(ImageFilter.GaussianBlur(blur)), float)[...,None]/255
    glass,ink = np.array([243,242,244.]),np.array(ink, float)
    dense = much
    if uneven: dense = (much*(1+uneven*ndimage.zoom(rng.standard_normal((size[1]//40, size[0]//40)), 40, order=3)[...,None])).clip(0)
    x = glass*(1-much)+ink*much if opaque else glass*np.exp(dense*np.log(ink.clip(3)/glass).clip(None, 0))
    return (x+noise*rng.standard_normal(x.shape)).clip(0, 255), much


def stained(colours):
    "What PatchCamelyon takes for tissue, ink and all"
    top = colours.max(2)
    return ndimage.gaussian_filter((top-colours.min(2))/np.maximum(top, 1), 1)>=SATURATION


def inks(most):
    "A row for each colour, of `most` inks: the share of windows touched by ink that count as tissue, of each kind"
    rows = []
    for name,variants in INKS.items():
        row = {'':f'{name} ink'}
        for kind,how in KINDS.items():
            kept = touched = 0
            for k,ink in enumerate(variants[:most]):
                x,much = strokes(np.random.default_rng(k), ink, (50,120)[k%2], **how)
                kept += windows_with_tissue(tissue_mask(cells(x))).sum()
                touched += windows_with_tissue(cells(much)[...,0]>.05).sum()
            row[kind] = f'{kept/touched:.1%}'
        rows.append(row)
    return rows


def lost(colours):
    "Windows of tissue, and those of them that are taken for ink"
    was,now = [windows_with_tissue(o) for o in (stained(colours), tissue_mask(colours))]
    return was.sum(), (was & ~now).sum()


def main():
    args = arguments(__doc__, 4800, slide='', marks='', inks=4)
    rows = inks(args.inks)
    path,keep = kaggle_folder(args.data, args.n)
    counts = {f'{args.n:,} {"real" if args.data else "synthetic"} patches':np.sum([lost(cells(read_image(o))) for o in sorted((path/'train').iterdir())], 0)}
    if args.slide: counts[Path(args.slide).name] = lost(Scan(args.slide).overview(CELL))
    clean = [{'':k, 'windows of tissue':f'{n:,}', 'taken for ink':f'{m:,} ({m/n:.2%})'} for k,(n,m) in counts.items()]
    marks = [{'':o.name, 'windows':f'{(p:=windows_with_tissue(tissue_mask(Scan(o, .5).overview(CELL)))).size:,}', 'taken for tissue':f'{p.sum():,}'}
             for o in sorted(Path(args.marks).iterdir())] if args.marks else []
    finish('tissue', args, rows, more=[clean, marks] if marks else [clean])


if __name__=='__main__': main()
