"""What each part of the recipe is worth: the same network, trained for the same number of epochs, without it.

python bench/ablation.py --data KAGGLE_FOLDER [--epochs 10] [--arch patchcnn]
"""
from functools import partial

from accuracy import compare
from contenders import project, training_arguments
from pcam_nb.cnn import TexturePool
import torch
from torch import nn


def without_dropout(net):
    "Keep all features in training"
    for o in net.modules():
        if isinstance(o, nn.Dropout): o.p = 0
    return net


class Half(TexturePool):
    "What `TexturePool` gives, with one half of it in the place of the other"
    def __init__(self, centre, spread):
        super().__init__()
        self.centre,self.with_spread = centre,spread

    def forward(self, x):
        mean,spread,mean_centre,spread_centre = super().forward(x).chunk(4, 1)
        if not self.centre: mean_centre,spread_centre = mean,spread
        if not self.with_spread: spread,spread_centre = mean,mean_centre
        return torch.cat([mean, spread, mean_centre, spread_centre], 1)


def pooled(net, centre=True, std=True):
    "A network of the project that pools without the centre, or without the standard deviation"
    net.pool = Half(centre, std)
    return net


def parts(arch):
    "The recipe, and the recipe without each of its parts"
    return {'the recipe':project(arch), 'no flips and rotations':project(arch, d4=False), 'no stain augmentation':project(arch, stain=0.),
            'no strong stain augmentation':project(arch, strong_stain=0.), 'no shifts':project(arch, shift=0),
            'no label smoothing':project(arch, smooth=0.), 'no averaged weights':project(arch, average=0.),
            'no dropout':project(arch, without_dropout), 'in float32':project(arch, precision='fp32'),
            'no centre in the pooling':project(arch, partial(pooled, centre=False)), 'no standard deviation in the pooling':project(arch, partial(pooled, std=False))}


def main():
    args = training_arguments(__doc__, 4800, arch='patchcnn', epochs=10, folds=3, only=','.join(parts('patchcnn')))
    compare(f'ablation_{args.arch}', parts(args.arch), 'the recipe', args)


if __name__=='__main__': main()
