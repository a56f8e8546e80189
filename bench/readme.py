"""Write bench/README.md from the newest results."""
import json

from common import HERE, markdown

SECTIONS = [
    ('loader', 'Loading', 'How many patches a second reach the network, ready to use. Peers decode every file again in every epoch; `pcam_nb` gathers whole batches '
     'from its store.'),
    ('train', 'Training', 'Patches a second of a whole training epoch, augmentation and all. The ceiling is the same network in plain torch on one batch that is '
     'already there: what is left if the data path costs nothing.'),
    ('infer', 'Predicting', 'A folder of TIFFs to probabilities. The network alone, on batches that are in memory, is what a perfect data path would reach.'),
    ('pack', 'Packing', 'Files to a store, once.'),
    ('dense', 'Whole regions', 'A region of tissue by `dense`, which computes what overlapping patches share only once, and patch by patch; windows a second.'),
    ('slide', 'Whole slides', 'A slide from file to page with `d4net`; dense and patch by patch on the same windows; a slide of 19 × 19 mm; tumours at known places on synthetic slides, '
     'searched by a network that was trained on synthetic patches. FROC as Camelyon16 defines it.'),
    ('peers_slide', 'Slides beside others', 'One slide, one network (`pcam-small`) and one grid, on the same cores, each in a process of its own: windows a second, from the opened network to the probabilities of the windows '
     'with tissue. TIAToolbox and the loader compute window by window, in float32; each with and without workers. TIAToolbox finds some more windows by the same mask of tissue, so compare rates. Pillow scales a window as it does, not by areas: hence the differences of the loader.'),
    ('tiles', 'From annotated slides to a detector', '20 synthetic slides with outlines are cut and trained on, 10 others are read: FROC by Camelyon16. A second round adds the places where the first network is most wrong; beside it stands a network of other patches '
     'than hard ones (in the first table another seed, in the second twice as many at random). Where the first round finds all tumours there is nothing to gain; from few patches of each slide the second round gains, and as many patches at random gain as much. '
     'Then cutting beside plain OpenSlide, which reads the same windows one by one without resampling, in one process on one core: windows that lie together are read at once, which pays; single ones are checked for missing pixels and, where the slide is finer, averaged, which takes time. '
     'And the memory of cutting. The core was shared with other work, so compare ratios.'),
    ('tissue', 'Tissue and ink', 'Windows that touch the ink of a pen, drawn over glass, and count as tissue; windows of tissue that are taken for ink; and real marks on glass.'),
    ('app', 'The web app', '`d4net`, from the command to the page, and requests over HTTP on the same two cores; the answers to hostile uploads.'),
    ('viewer', 'The viewer of slides', '`pcam_view` in Chromium on the same two cores, with other work beside it: from the address to the first tiles of a slide of 10 × 10 mm, tiles of all levels over HTTP, and a worklist.'),
    ('accuracy', 'Accuracy', 'Contenders trained from scratch on the same real patches, for the same time or the same number of epochs, on disjoint holdouts of '
     '960 patches whose predictions are pooled; a contender of fewer holdouts is compared on those. Intervals: paired bootstrap over patches. How long an epoch takes is seen '
     'in the table of equal time: epochs were counted with other trainings running beside. The slides are not known, so patches of one slide may be in both splits: '
     'compare the contenders, not these metrics with those of other data sets. The reference CNN and all that is not `pcam_nb` compute in float32, as they come; the other contenders in bfloat16 where the processor has instructions for it. After equal time, stock fastai was taken on another day, with torch 2.15.'),
    ('pretrained', 'Pretrained networks', 'The same ImageNet weights, fine-tuned by `pcam_nb`, by stock fastai and by timm\'s recipe, or frozen below a logistic regression, beside `patchcnn` from scratch: real patches, '
     'equal time of one core, disjoint holdouts of 960 patches; a contender of fewer holdouts is compared on those. The time in which fastai looks for its learning rate is not counted; a frozen network takes as long as it does. '
     '`--precision auto` chose float32 for EfficientNet, and bfloat16 for `patchcnn`. After 50 minutes, the network of `pcam_nb` was trained in bfloat16, which is slower for it. '
     'Slides are not known: compare the rows, not these metrics with those of other data sets.'),
    ('ablation', 'The recipe', 'The same network and number of epochs, without one part of the recipe. The standard deviation in the pooling gives .019 of AUC. Of the other parts none is told from '
     'chance after ten epochs on one holdout, but the centre in the pooling, without which it is .004 more: one network trained twice by the same recipe, on one thread and on two, '
     'has .949 and .946. What keeps a network from memorising its patches shows in longer trainings, and what helps with another staining, in the table of that name.'),
    ('behaviour', 'Centre and context', 'Tumour patches of a holdout get the context, or the centre, of a patch without tumour in its centre; the mean absolute change of the probability. Networks depend on the '
     'context, eight ninths of the patch, since tumour seldom ends at the square. Those that were trained with a context swap for a tenth of the patches (`pcam_train --context-swap .1`) depend '
     'on the centre more than on the context; the AUC on unchanged patches is the price.'),
    ('shift', 'Another staining', 'Trained on synthetic slides of one range of staining, evaluated on slides of that range and of others.'),
    ('normalise', 'Stain normalisation or augmentation', 'Networks trained on real patches, each judged on held-out patches as they are and in twelve other stainings, of which each changes all patches alike: four of the amounts of stain, '
     'as stain augmentation draws them, and eight of other kinds (stain vectors of Macenko and of Ruifrok, hue, gamma, balance of the channels). Mean AUC over stainings; the difference to the first row over all twelve, with the interval of a paired bootstrap over patches; the AUC and the accuracy of all twelve '
     'in one set, where one threshold has to hold for all. Equal epochs; the time beside work on the other core.'),
    ('ood', 'Input unlike the training patches', 'AUC of changed, or other, patches against untouched ones, and the fraction that is unusual at 1 %. `mixture` is what a run keeps (`pcam_nb.ood`), whole and by the '
     'statistics of one group; one Gaussian is the Mahalanobis distance with a shrunk covariance, neighbours the mean distance to five of 2,000 patches, both of the same statistics. In the second table, the penultimate '
     'features of a `patchcnn` that was trained on the fitted patches. Changes that leave many patches as other laboratories stain them can\'t be told patch by patch; of a slide or folder, the mean rank tells.'),
    ('zoo', 'Models of the package', 'AUC on the patches that a network was not trained on: out of fold for `pcam-base`, whose five members are averaged by weights afterwards; one fifth held out for `pcam-small`. Slides are not '
     'known, so a slide may be on both sides: this is no estimate for new slides. Below, the same patches with another staining, out of focus, or compressed.'),
    ('maps', 'Attribution maps', 'Do maps point at what a prediction depends on? Squares of 16 px are covered (deletion) or uncovered (insertion), the largest attribution first; the area between the curve of '
     'probabilities and that of random order, or of the centre first, in mean and 95 % interval over patches: above 0, the map is better. What covers is glass, or the same place of patches without tumour. The last '
     'column is the rank correlation with the map of a network of random weights: near 0 is right. First tumour patches, then patches without tumour.'),
    ('reliability', 'Are intervals and thresholds right?', 'Simulated sets whose truth is known, and planted copies of patches.'),
    ('scale', 'Growth', 'One epoch of loading, with D4 and stain augmentation, from stores of random patches on disk, up to the size of the whole Kaggle training set '
     '(6.1 GB). Own memory is what no file stands behind.\n\n![Seconds an epoch over patches in the store](results/scale.png)'),
    ('growth', 'Growth of exploring and evaluating', 'Processor seconds of exploring, of the search for copies in a set and for leaks between two sets of that size, and of evaluating, in a process of its own each. '
     'The slope is that of a straight line through the logarithms. Patches are two real ones side by side.\n\n![Processor seconds over patches, both on logarithmic axes](results/growth.png)'),
]
HEAD = """# Benchmarks

Each script measures `pcam_nb` and what people use otherwise side by side in one run: the contenders take turns, the first round only warms up, and tables give
the median of the rounds, the smallest and the largest. A ratio is the median of the ratios within each round. Compare ratios: absolute values depend on
the machine. `--data FOLDER` takes a Kaggle folder instead of synthetic patches, `--device cuda` a GPU (without one the scripts say "no CUDA device").
All that was measured is in `results/`. This page is written by `python bench/readme.py`.
"""


def tables(rows, most=9):
    "A table in markdown; a wide one as two, each with the names of the rows"
    keys = list(rows[0])
    parts = [keys] if len(keys)<=most else [keys[:most-1], keys[:1]+keys[most-1:]]
    return '\n\n'.join(markdown([{k:o.get(k, '') for k in part} for o in rows]) for part in parts)


def section(name, title, text):
    "One benchmark, on every device that it was measured on"
    lines = [f'## {title}', text]
    for file in sorted((HERE/'results').glob(f'{name}*.json')):
        r = json.loads(file.read_text())
        args = {k:dict(slide='SCANNER_FILE', marks='FOLDER').get(k, v) for k,v in r['arguments'].items() if v not in ('',None)}
        command = ' '.join([f'python bench/{name}.py', *(f"--{k.replace('_','-')} {v}" for k,v in args.items()),
                            *(['--data KAGGLE_FOLDER'] if r['patches']=='real' else [])])
        m = r['machine']
        where = ', '.join([m.get('gpu', m['cpu']), *(f'{k} {m[k]}' for k in ('python','torch','torchvision','fastai'))])
        lines += [f'`{command}`', f"On {'synthetic' if r['patches']=='synthetic' else 'real'} patches; {where}.", tables(r['table']), *map(tables, r.get('more', []))]
        if file.with_suffix('.png').is_file() and f'{file.stem}.png' not in text: lines.append(f"![{title}: {file.stem.removeprefix(name).replace('_', ' ').strip()}](results/{file.stem}.png)")
        if 'eight' in r: lines.append(f"8-way averaging takes {r['eight']:.2f} times as long as one look.")
    return '\n\n'.join(lines)


if __name__=='__main__':
    there = [o for o in SECTIONS if list((HERE/'results').glob(f'{o[0]}*.json'))]
    (HERE/'README.md').write_text('\n\n'.join([HEAD.strip(), *(section(*o) for o in there)])+'\n')
