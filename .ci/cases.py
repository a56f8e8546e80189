"""Inputs that are often read wrongly: each is read right, or refused for its true reason.

python .ci/cases.py CASES DATA [--run RUN]

CASES is a folder of patches/, slides/, labels/ and annotations/; DATA is the data set, in Kaggle's layout, whose first 40 patches the files of labels/ name. RUN reads the
slides; without it only what lies before a network is checked. Prints a line for each input; exits with 1 if one is not as it should be.
"""
import argparse, io, json, sys, tempfile
from pathlib import Path

import numpy as np, openslide, pandas as pd, shapely, tifffile
from PIL import Image
from pcam_nb.annotation import read_outlines
from pcam_nb.image import read_image
from pcam_nb.scan import CELL, Scan, tissue_mask
from pcam_nb.score import windows_with_tissue
from pcam_nb.slide import read_slides
from pcam_nb.slide_files import list_slides
from pcam_nb.source import ImageFolder, KaggleFolder
from pcam_nb.upload import batch_entries

faults = []


def check(name, f, refused=''):
    "`f` should return something true, or be refused with a sentence that holds `refused`"
    try: good,what = bool(f()) and not refused,'as it should be'
    except (ValueError, OSError) as e: good,what = refused and refused in str(e),str(e).splitlines()[0]
    print(f"{'ok    ' if good else 'FAILED'}  {name}: {what if good or what!='as it should be' else 'not as it should be'}", flush=True)
    if not good: faults.append(name)


def patches(folder):
    "Images of patches"
    check('a patch as three grey pages', lambda: read_image(folder/'chw_imagej.tif'), 'several pages')
    check('a patch with its channels one after another', lambda: (read_image(folder/'chw_default.tif')==tifffile.imread(folder/'chw_default.tif').transpose(1,2,0)).all())
    check('transparency', lambda: (read_image(folder/'rgba_black_transparent.png')[:,:40]==255).all())
    with Image.open(folder/'exif6.jpg') as im: upright = np.rot90(np.asarray(im.convert('RGB')), 3)
    check('EXIF orientation', lambda: (read_image(folder/'exif6.jpg')==upright).all())
    for file,word in (('comp_jpegxl','JPEG XL'), ('comp_jpeg2000','JPEG 2000'), ('float32','floating-point'), ('bigtiff_be','big-endian BigTIFF')):
        check(f'{file}.tif', lambda: read_image(folder/f'{file}.tif'), word)
    check('a zip with backslashes', lambda: {Path(o[0]).stem for o in batch_entries([('win.zip', io.BytesIO((folder/'win.zip').read_bytes()))])}=={'a','b','c'})
    check('two files of one name', lambda: [o['id'] for o in ImageFolder(folder/'two_stems').problems]==['a'])


def labels(folder, data, tmp):
    "Files of labels, and of slides"
    first = pd.read_csv(data/'train_labels.csv', dtype=dict(id=str)).head(40)
    few = tmp/'few'
    (few/'train').mkdir(parents=True)
    for o in first.id: (few/'train'/f'{o}.tif').symlink_to(data/'train'/f'{o}.tif')
    first.to_csv(few/'train_labels.csv', index=False)
    of = dict(zip(first.id, first.label))
    for o in sorted(folder.glob('*.csv')):
        if not o.name.startswith('slides_'): check(o.name, lambda: {k:int(v) for k,v in KaggleFolder(few, labels=o).table[['id','label']].to_numpy()}==of)
    for o in sorted(folder.glob('slides_*.csv')):
        said = pd.read_csv(o, dtype=str)
        known = {k.removesuffix('.tif'):v for k,v in zip(said.id, said.wsi) if k.removesuffix('.tif') in of}
        check(o.name, lambda: known and {k:v for k,v in KaggleFolder(few, slides=o).table[['id','slide']].to_numpy() if pd.notna(v)}==known)


def annotations(folder):
    "Outlines of QuPath and ASAP, as they are published: how many of each kind"
    counts = lambda name, classes=None: read_outlines(folder/name, classes, lambda o: None).kind.value_counts().to_dict()
    of = dict(tumor_003=dict(tumour=13, normal=1), tumor_025=dict(tumour=1, normal=26), tumor_098=dict(tumour=5), tumor_107=dict(tumour=2, normal=3))
    for name,want in of.items(): check(f'outlines of {name}.xml', lambda: counts(f'{name}.xml')==want)
    check('outlines of QuPath', lambda: counts('qupath05.geojson', 'UT=tumour,I=normal')==dict(tumour=1, normal=2))
    check('outlines whose classes nobody has told', lambda: counts('qupath05.geojson'), 'Tell it with --classes')


def slides(folder, run, tmp):
    "Scanner files, and what lies beside them"
    def _one(part, n):
        over = []
        return len(list_slides([folder/part], over.append))==1 and len(over)==n
    check('a DICOM series', lambda: _one('dicom_series', 4))
    check('a VMS slide and its parts', lambda: _one('vms_folder/vms', 5))
    check('a part of a VMS slide', lambda: list_slides([folder/'vms_folder/vms/s(0,1).jpg']), 'a part of s.vms')
    scan = Scan(folder/'red_pen.png', .5)
    check('red ink', lambda: not windows_with_tissue(tissue_mask(scan.overview(CELL)), 32).any())
    if run is None: return
    check('the slide of a DICOM series', lambda: len(read_slides(run, [folder/'dicom_series'], tmp/'dicom', device='cpu', threshold=.01, progress=False, say=str, report=str)[0])==1)
    check('regions of a slide with bounds', lambda: on_tissue(folder/'bounds.scn', run, tmp/'bounds'))


def on_tissue(file, run, out):
    "Do the regions of a slide, moved by its bounds, lie on its tissue as OpenSlide shows it?"
    done,failed = read_slides(run, [file], out, device='cpu', threshold=1e-6, progress=False, say=str, report=str)
    slide,summary = openslide.OpenSlide(file),json.loads((out/file.stem/'summary.json').read_text())
    x,y,w,h = [int(slide.properties[f'openslide.bounds-{o}']) for o in ('x','y','width','height')]
    regions = [shapely.geometry.shape(o['geometry']) for o in json.loads((out/file.stem/'regions.geojson').read_text())['features']]
    seen = np.asarray(slide.read_region((x,y), 0, (w,h)).convert('RGB'), np.float32)
    stained = (seen.max(2)-seen.min(2))/np.maximum(seen.max(2), 1)>=.07
    inside = shapely.contains_xy(shapely.unary_union(regions), *np.meshgrid(np.arange(0, w, 16)+8, np.arange(0, h, 16)+8))
    apart = stained[8::16,8::16][:inside.shape[0],:inside.shape[1]]
    return summary['origin']==[x,y] and inside.any() and apart[inside].mean()>.5 and shapely.unary_union(regions).within(shapely.box(-1, -1, w+1, h+1))


if __name__=='__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', type=Path)
    parser.add_argument('data', type=Path)
    parser.add_argument('--run', type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        patches(given.cases/'patches')
        labels(given.cases/'labels', given.data.resolve(), Path(tmp))
        if (given.cases/'annotations').is_dir(): annotations(given.cases/'annotations')
        slides(given.cases/'slides', given.run, Path(tmp))
    print(f'{len(faults)} not as they should be' if faults else 'All as they should be')
    sys.exit(bool(faults))
