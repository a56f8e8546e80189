"""Out of distribution: how well patches that were changed, or are something else, are told from real ones by the statistics of a run, and by other ways.

python bench/ood.py [--data FOLDER] [--run RUN] [--slide FILE]

60 % of the patches are fitted, 20 % calibrate, and 20 % are tested, untouched and changed. With `--run`, a run that was trained on these patches, its training patches are fitted and half of its validation
patches tested, and the penultimate features of its network are compared. `--slide` is a scanner file of another organ.
"""
from pathlib import Path
import io, tempfile, time

from common import arguments, finish, kaggle_folder
import numpy as np, torch
from PIL import Image, ImageFilter
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from tissue import INKS, strokes
from pcam_nb.augment import draw_stains, restain, stain_basis, to_planes
from pcam_nb.features import features_of
from pcam_nb.infer import Predictor
from pcam_nb.ood import fit_statistics, patch_statistics
from pcam_nb.run import Run
from pcam_nb.scan import CELL, Scan, tissue_mask
from pcam_nb.score import windows_with_tissue
from pcam_nb.store import open_store

DAB = np.array([.268,.570,.776], np.float32) # Ruifrok and Johnston (2001)


def whole(x): return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def each(f):
    "Change every patch by a function of PIL images"
    return lambda x, rng: np.stack([np.asarray(f(Image.fromarray(o))) for o in x])


def stain(*factors):
    "Change the amounts of haematoxylin, eosin and the rest"
    return lambda x, rng: whole(restain(to_planes(torch.from_numpy(x)), torch.tensor([factors]).float().repeat(len(x), 1)).permute(0,2,3,1).numpy())


def strong(x, rng):
    "Strong stain augmentation of all patches"
    factors = draw_stains(len(x), .2, 1., torch.Generator().manual_seed(0))
    return whole(restain(to_planes(torch.from_numpy(x)), factors).permute(0,2,3,1).numpy())


def jpeg(im):
    "As a JPEG of quality 10"
    f = io.BytesIO()
    im.save(f, 'jpeg', quality=10)
    return Image.open(f).convert('RGB')


def hue(by):
    "Turn the hue by so many of 256"
    def f(im):
        h = np.array(im.convert('HSV'))
        h[...,0] += np.uint8(by%256)
        return Image.fromarray(h, 'HSV').convert('RGB')
    return each(f)


def half(x, rng):
    "Half as large: four patches side by side"
    many = x[np.stack([rng.permutation(len(x)) for _ in range(4)], 1)].reshape(len(x), 2, 2, 96, 96, 3).transpose(0,1,3,2,4,5)
    return whole(many.reshape(len(x), 96, 2, 96, 2, 3).mean((2,4), dtype=np.float32))


def brown(x, rng):
    "Diaminobenzidine instead of eosin, as in immunohistochemistry"
    basis = stain_basis().numpy()
    to = np.stack([basis[0], DAB/np.linalg.norm(DAB), basis[2]])
    density = -np.log((x.astype(np.float32)+1)/256)
    return whole(256*np.exp(-(density@np.linalg.inv(basis)@to).clip(0))-1)


def glass(x, rng): return whole(np.array([243,242,244.])+rng.normal(0, 3, (len(x),1,1,3))+rng.normal(0, 2, x.shape))


def ink(x, rng):
    "Pen on glass"
    sheets,out = [strokes(rng, c, 90, **how) for v in INKS.values() for c in v[:2] for how in (dict(blur=2), dict(blur=10, uneven=.15))],[]
    while len(out)<len(x):
        im,much = sheets[rng.integers(len(sheets))]
        at = tuple(slice(o, o+96) for o in (rng.integers(0, n-96) for n in im.shape[:2]))
        if much[at].mean()>.3: out.append(im[at])
    return whole(np.stack(out))


def ink_over(x, rng):
    "Pen over tissue"
    colours = np.array([c for v in INKS.values() for c in v], float)
    return whole(x*colours[rng.integers(len(colours), size=len(x))][:,None,None].clip(3)/245)


def photos(x, rng):
    "Parts of photos"
    cut = lambda im: im[(y:=rng.integers(im.shape[0]-96)):y+96, (c:=rng.integers(im.shape[1]-96)):c+96]
    images = load_sample_images().images
    return np.stack([cut(images[rng.integers(len(images))]) for _ in x])


blur = lambda r: each(lambda im: im.filter(ImageFilter.GaussianBlur(r)))
SHIFTS = {'red and blue swapped (BGR)':lambda x, rng: np.ascontiguousarray(x[...,::-1]), 'scale ×2, bilinear':each(lambda im: im.crop((24,24,72,72)).resize((96,96), Image.BILINEAR)),
    'scale ×2, bicubic':each(lambda im: im.crop((24,24,72,72)).resize((96,96), Image.BICUBIC)), 'scale ×½, four patches':half, 'strong stain augmentation, random':strong, 'stain ×0.5':stain(.5,.5,.5),
    'stain ×0.6':stain(.6,.6,.6), 'stain ×1.6':stain(1.6,1.6,1.6), 'stain ×2':stain(2,2,2), 'haematoxylin ×0.5, eosin ×1.5':stain(.5,1.5,1), 'haematoxylin ×1.5, eosin ×0.5':stain(1.5,.5,1),
    'hue +30°':hue(21), 'hue −30°':hue(-21), 'hue +90°':hue(64), 'grey':each(lambda im: im.convert('L').convert('RGB')), 'inverted':lambda x, rng: 255-x, 'blur, radius 1':blur(1), 'blur, radius 3':blur(3),
    'JPEG, quality 10':each(jpeg), 'brightness ×0.6':lambda x, rng: whole(x*.6), 'brightness ×1.4':lambda x, rng: whole(x*1.4), 'glass':glass, 'ink on glass':ink, 'ink over tissue':ink_over,
    'DAB instead of eosin':brown, 'uniform noise':lambda x, rng: rng.integers(0, 256, x.shape, np.uint8), 'photos':photos}


def gaussian(z):
    "Mahalanobis distance with a shrunk covariance"
    centre,scale = z.mean(0),z.std(0)+1e-6
    model = LedoitWolf().fit((z-centre)/scale)
    return lambda o: model.mahalanobis((o-centre)/scale)


def neighbours(z, k=5, most=2000):
    "Mean distance to the nearest of 2,000 fitted patches, in whitened statistics"
    centre,scale = z.mean(0),z.std(0)+1e-6
    w,v = np.linalg.eigh(LedoitWolf().fit((z-centre)/scale).covariance_)
    white = lambda o: (o-centre)/scale@(v/np.sqrt(w))
    near = NearestNeighbors(n_neighbors=k).fit(white(z)[:most])
    return lambda o: near.kneighbors(white(o))[0].mean(1)


def mixture(z, valid, column=0):
    "The surprise of `fit_statistics`, whole or of a group"
    found = fit_statistics(z, valid)
    return lambda o: found.surprise(o)[:,column]


def features(predictor, x):
    "Penultimate features"
    with torch.inference_mode(): return np.concatenate([features_of(predictor.model, predictor.feed(torch.from_numpy(x[i:i+32]))).cpu().numpy() for i in range(0, len(x), 32)])


def tissue_windows(file, um):
    "Windows of a slide whose centre is tissue"
    scan = Scan(file, um=um)
    at = np.argwhere(windows_with_tissue(tissue_mask(scan.overview(CELL))))
    return np.stack([scan.window(*o) for o in at])


def main():
    args = arguments(__doc__, 4800, run='', slide='', splits=10)
    with tempfile.TemporaryDirectory() as tmp:
        path,keep = kaggle_folder(args.data, args.n)
        store = open_store(path, Path(tmp)/'store', progress=False)
        x,rng = np.array(store.patches),np.random.default_rng(0)
        start = time.process_time()
        z = patch_statistics(x)
        rate = len(x)/(time.process_time()-start)
        order = rng.permutation(len(x))
        fit,valid,test = np.split(order, [int(.6*len(x)), int(.8*len(x))])
        predictor = None
        if args.run:
            predictor,held = Predictor.load(args.run, args.device),(Run.of(args.run).part_of(store.table)=='valid').to_numpy()
            fit,valid,test = order[~held[order]],*np.array_split(order[held[order]], 2)
            h = features(predictor, x)
        ways = {'mixture':(mixture(z[fit], z[valid]), z), 'mixture, colour':(mixture(z[fit], z[valid], 2), z), 'mixture, texture':(mixture(z[fit], z[valid], 3), z),
                'one Gaussian':(gaussian(z[fit]), z), 'neighbours':(neighbours(z[fit]), z)}
        if predictor: ways |= {'features, Gaussian':(gaussian(h[fit]), h), 'features, neighbours':(neighbours(h[fit]), h)}
        others = {k:f(x[test], np.random.default_rng(1)) for k,f in SHIFTS.items()}
        if args.slide: others |= {"a scanner's slide (CMU-1)":tissue_windows(args.slide, .972), "a scanner's slide (CMU-1), scale ×2":tissue_windows(args.slide, .5)}
        usual = {k:f(o[test]) for k,(f,o) in ways.items()}
        limit = {k:np.sort(f(o[valid]))[::-1][max(int(.01*(len(valid)+1))-1, 0)] for k,(f,o) in ways.items()}
        say = lambda k, s: f'{roc_auc_score(np.repeat([0,1], [len(usual[k]),len(s)]), np.r_[usual[k],s]):.3f}, {np.mean(s>=limit[k]):.0%}'
        rows = [{'':'untouched'} | {k:f'{np.mean(usual[k]>=limit[k]):.1%}' for k in ways}]
        for name,o in others.items():
            s,f = patch_statistics(o),features(predictor, o) if predictor else None
            rows.append({'':name} | {k:say(k, way(f if known is not z else s)) for k,(way,known) in ways.items()})
            print(rows[-1], flush=True)
        flagged = [flagged_of(z, np.random.default_rng(i)) for i in range(args.splits)]
        k,n = np.sum(flagged, 0)
        low,high = stats.binomtest(int(flagged[0][0]), int(flagged[0][1])).proportion_ci(method='exact')
        finish('ood', args, rows, rate=rate, flagged=[f'{a}/{b}' for a,b in flagged], interval_of_first=[low,high], mean=k/n)
        print(f'{rate:,.0f} patches/s; untouched test patches that are unusual, {args.splits} splits: {k/n:.2%} ({", ".join(f"{a/b:.2%}" for a,b in flagged)}); first {flagged[0][0]}/{flagged[0][1]}, {low:.2%}–{high:.2%}')


def flagged_of(z, rng):
    "How many untouched test patches of a random 60/20/20 split are unusual, and how many there are"
    fit,valid,test = np.split(z[rng.permutation(len(z))], [int(.6*len(z)), int(.8*len(z))])
    found = fit_statistics(fit, valid)
    return int((found.ranks(found.surprise(test))[:,0]<=found.expected+1e-9).sum()), len(test)


if __name__=='__main__': main()
