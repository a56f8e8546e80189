"Package metadata: everything comes from settings.ini"
import re, shlex
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_namespace_packages

parser = ConfigParser(delimiters=['='], interpolation=None)
parser.read(Path(__file__).parent/'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']

suffix = '_requirements'
extras = {k.removesuffix(suffix): shlex.split(v) for k, v in cfg.items() if k.endswith(suffix)}
extras['dev'] = sorted({r for rs in extras.values() for r in rs})
pythons = [v for v in ('3.11', '3.12', '3.13') if int(v.split('.')[1]) >= int(cfg['min_python'].split('.')[1])]

def long_description():
    "README.md, with links that hold elsewhere: pages of the site for notebooks, files of the repository for the rest"
    site,files = f"{cfg['doc_host']}{cfg['doc_baseurl']}", f"{cfg['git_url']}/blob/{cfg['branch']}"
    text = Path('README.md').read_text(encoding='utf-8').replace('](nbs/images/', f"]({cfg['git_url']}/raw/{cfg['branch']}/nbs/images/")
    text = re.sub(r'\]\(nbs/((?:\w+/)*)(?:\d\d_)?(\w+)\.(?:ipynb|qmd)', rf']({site}/\1\2.html', text) # A module's page has no number
    return re.sub(r'\]\((?!https?:|#|mailto:)', f']({files}/', text)

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=long_description(),
    long_description_content_type='text/markdown',
    author=cfg['author'],
    author_email=cfg['author_email'],
    url=cfg['git_url'],
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords=cfg['keywords'].split(),
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Topic :: Scientific/Engineering :: Medical Science Apps.',
        'Natural Language :: English',
        *[f'Programming Language :: Python :: {v}' for v in pythons],
    ],
    packages=find_namespace_packages(include=['pcam_nb', 'pcam_nb.*'], exclude=['*.__pycache__']),
    include_package_data=True,
    python_requires='>=' + cfg['min_python'],
    install_requires=shlex.split(cfg['requirements']),
    extras_require=extras,
    entry_points={
        'console_scripts': cfg['console_scripts'].split(),
        'nbdev': [f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"],
    },
    zip_safe=False,
)
