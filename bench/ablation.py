"""What each part of the recipe is worth: the same network, trained for the same number of epochs, without it.

python bench/ablation.py --data KAGGLE_FOLDER [--epochs 10] [--arch patchcnn]
"""
from accuracy import compare
from common import arguments
from contenders import project
from torch import nn


def without_dropout(net):
    "Keep all features in training"
    for o in net.modules():
        if isinstance(o, nn.Dropout): o.p = 0
    return net


class GlobalPool(nn.Module):
    "The mean of the whole map, where `CentrePool` gives it and the mean of the middle"
    def forward(self, x): return x.mean((2,3)).repeat(1, 2)


def global_pooling(net):
    "Pool the views of a network of the project over the whole map alone"
    net.pool = GlobalPool()
    return net


def parts(arch):
    "The recipe, and the recipe without each of its parts"
    return {'the recipe':project(arch), 'no D4 variation':project(arch, d4=False), 'no stain variation':project(arch, stain=0.),
            'no label smoothing':project(arch, smooth=0.), 'no averaged weights':project(arch, average=0.),
            'no dropout':project(arch, without_dropout), 'global pooling':project(arch, global_pooling)}


def main():
    args = arguments(__doc__, 4800, arch='patchcnn', minutes=6., epochs=10, folds=3, only=','.join(parts('patchcnn')))
    compare(f'ablation_{args.arch}', parts(args.arch), 'the recipe', args)


if __name__=='__main__': main()
