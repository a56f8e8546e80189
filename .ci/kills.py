"""Kill the commands in the middle of their work, with SIGKILL for the whole process group, and see that nothing is lost, torn, or left lying about.

python .ci/kills.py --kills 40 --writes 24 --seed 0

On a small synthetic set: packing, training, evaluating, cutting and reading slides, exporting and predicting, some of them over an older output; `--only` takes some of the cases, such as
`--only tiles retile`. `--kills` moments are
drawn uniformly over the time that a command takes; `--writes` more fall at a change of the disk (a file is opened for writing, renamed, removed …),
drawn from all that a command makes: every other one right before it, the rest after at most 200 bytes of the next file that is written, by a limit on the
size of files whose signal nobody handles. After each kill whatever exists under its final name has to open with the package's own readers, and a file that
is written once has to be the older one or the one of an undisturbed run, byte for byte. The command is then given again, with --resume where there is
one, and has to leave the files of an undisturbed run, byte for byte, and nothing hidden, be it a file, a folder or a lock. The undisturbed run is a
fresh process, `python -m pcam_nb.cli …`; those that are killed are forked from one that has imported everything, as a kill during the imports shows
little. That a forked command leaves the same files is seen first. The package may not be changed meanwhile: parsers are made of its source.

Left out of the comparison: how many seconds an epoch took, which no two trainings share, in history.csv, metrics.json, checkpoint.pt and log.txt of a run; and
how checkpoint.pt is pickled, which depends on whether a tensor was made or loaded: its tensors and numbers are compared. The ONNX file is compared by
its bytes, too.

Prints a table, and exits with 1 on any difference, with what differed.
"""
import os, sys
os.environ.update(OMP_NUM_THREADS='1', MPLBACKEND='Agg')
import argparse, contextlib, hashlib, json, pickle, resource, shutil, signal, subprocess, tempfile, time, traceback
from pathlib import Path

import numpy as np, pandas as pd, tifffile, torch
from PIL import Image
torch.set_num_threads(1)
import onnx, onnxscript, shapely # Not onnxruntime, which starts a thread
from pcam_nb import card, cli, core, cutting, evaluate, explain, explore, export, infer, sample, sample_slide, slide, store, train
from pcam_nb.run import Run

# Name: share of the kills, command, what makes the older output (or None), what is there once a call can be resumed (or None: it is given again)
CASES = dict(
    pack=     (6, 'pcam_explore ../data --out explored', None, None),
    repack=   (5, 'pcam_explore ../data --out explored', 'pcam_explore ../data --out explored --resize', None),
    train=    (9, 'pcam_train ../data --out run --epochs 3 --device cpu', None, 'run/config.json'),
    evaluate= (4, 'pcam_evaluate ../run ../data --part test --out report --device cpu', None, None),
    slide=    (5, 'pcam_slide ../run ../scan.tif --out slides --strip 2 --device cpu', None, '.'),
    reslide=  (4, 'pcam_slide ../run ../scan.tif --out slides --strip 2 --device cpu',
               'pcam_slide ../run ../scan.tif --out slides --threshold .9 --device cpu', '.'),
    tiles=    (4, 'pcam_tiles ../cut --annotations ../cut --per-slide 30 --unannotated normal --out tiles.store --workers 1', None, None),
    retile=   (3, 'pcam_tiles ../cut --annotations ../cut --per-slide 30 --unannotated normal --out tiles.store --workers 1',
               'pcam_tiles ../cut --annotations ../cut --per-slide 9 --unannotated normal --out tiles.store --workers 1', None),
    export=   (3, 'pcam_export ../run --out out/model.onnx', None, None),
    predict=  (4, 'pcam_predict ../run ../data/test --out out/submission.csv --device cpu',
               'pcam_predict ../run ../data/train --out out/submission.csv --device cpu', None))
GROWING = {'checkpoint.pt','config.json','history.csv','log.txt','metrics.json','model.safetensors','valid.csv'} # Of a run: written anew after an epoch
CHANGES = {'os.rename','os.remove','os.mkdir','os.rmdir','os.chmod','os.truncate','os.link','os.symlink'}


def is_change(event, args, folder):
    "Is this audit event about to change the disk below `folder`?"
    if event=='open': change = bool(set(args[1] or '')&set('wax+')) or bool((args[2] or 0)&(os.O_WRONLY|os.O_RDWR|os.O_CREAT))
    else: change = event in CHANGES
    return change and isinstance(args[0], (str,bytes,os.PathLike)) and os.path.abspath(os.fsdecode(args[0])).startswith(folder)

def end_at(most):
    "End this process, as by SIGKILL, once it writes a file beyond `most` bytes"
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL) # Python ignores it, which makes it an error that can be caught
    for what,size in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, most)): resource.setrlimit(what, (size, resource.getrlimit(what)[1]))

def watch(folder, last, most):
    "Count the changes below `folder`; end the process group before number `last`, or after `most` bytes of the file that is written next"
    seen = [0]
    def _hook(event, args):
        if not is_change(event, args, folder): return
        seen[0] += 1
        if seen[0]!=last: return
        if most is None: os.killpg(0, signal.SIGKILL)
        else: end_at(most)
    sys.addaudithook(_hook)
    return seen

def give(command, last=None, most=None):
    "Give a command in this process, as its shell script would; note its changes of the disk in `.changes` beside its folder"
    sys.argv = command.split()
    seen,told = watch(os.getcwd(), last, most),Path(os.getcwd()+'.changes')
    try: getattr(cli, sys.argv[0])()
    finally: told.write_text(str(seen[0]))

def forked(f, *args, folder):
    "Begin `f(*args)` in a process group of its own, in `folder`, its output beside it; its number"
    assert len(os.listdir('/proc/self/task'))==1, 'a thread would not be forked'
    pid = os.fork()
    if pid: return pid
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open(f'{folder}.log', os.O_WRONLY|os.O_CREAT|os.O_TRUNC)
        for o in (1,2): os.dup2(log, o)
        f(*args)
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 1
        if code: print(e.code)
    except BaseException: traceback.print_exc()
    finally:
        for o in (sys.stdout,sys.stderr): o.flush()
        os._exit(code)

def ended(pid, seconds=None):
    "The exit status of a process, negative for a signal, or None if it has not ended after so many seconds"
    stop = np.inf if seconds is None else time.perf_counter()+seconds
    while True:
        done,status = os.waitpid(pid, os.WNOHANG if seconds is not None else 0)
        if done: return os.waitstatus_to_exitcode(status)
        if time.perf_counter()>=stop: return None
        time.sleep(min(.002, max(stop-time.perf_counter(), 0)))

def kill(pid):
    "End a process group"
    try: os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError: os.kill(pid, signal.SIGKILL) # It has not left ours yet
    return ended(pid)

def asked(f, *args, folder):
    "What `f(*args)` returns in a forked process, which may start threads"
    answer = Path(f'{folder}.answer')
    if ended(forked(lambda: answer.write_bytes(pickle.dumps(f(*args))), folder=folder)): raise RuntimeError(Path(f'{folder}.log').read_text())
    return pickle.loads(answer.read_bytes())


def shown(folder):
    "The files below `folder` that have their final name, and the topmost paths that don't"
    named,hidden = [],[]
    for at,folders,names in os.walk(folder):
        hidden += [os.path.relpath(os.path.join(at, o), folder) for o in folders+names if o.startswith('.')]
        folders[:] = [o for o in folders if not o.startswith('.')]
        named += [Path(at)/o for o in names if not o.startswith('.')]
    return sorted(named), sorted(hidden)

def open_one(file):
    "Open a file, or the folder that it completes, with the package's own readers"
    if file.name=='config.json': Run(file.parent).config
    elif file.name=='metrics.json' and (file.parent/'split.csv').exists(): Run(file.parent).metrics
    elif file.suffix=='.json': core.read_json(file, '', nan=True)
    elif file.suffix=='.geojson': assert json.loads(file.read_text())['type']=='FeatureCollection'
    elif file.name=='checkpoint.pt': assert train.read_checkpoint(Run(file.parent))
    elif file.name=='history.csv': Run(file.parent).history
    elif file.name=='split.csv': Run(file.parent).split
    elif file.name=='model.safetensors': infer.Predictor.load(file.parent, 'cpu')
    elif file.name=='valid.csv': Run(file.parent).valid
    elif file.suffix=='.onnx': infer.Predictor.load(file, 'cpu').logits(np.zeros((1,96,96,3), np.uint8))
    elif file.suffix=='.csv': pd.read_csv(file)
    elif file.name=='log.txt': assert all(o[:4].isdigit() for o in file.read_text().splitlines())
    elif file.suffix=='.npy': np.load(file, mmap_mode='r', allow_pickle=False)
    elif file.suffix=='.tif': tifffile.imread(file)
    elif file.suffix in ('.png','.jpg'): Image.open(file).load()
    elif file.suffix=='.html': assert file.read_text().rstrip().endswith('</html>')
    else: raise ValueError('no reader')

def in_run(file):
    "Is it a file of a run?"
    return (file.parent/'config.json').exists()

def torn(folder, known):
    "What can't be opened, with reasons, and what is written once but isn't in `known`, the sums that it may have"
    bad = []
    def _try(path, f):
        try: f(path)
        except Exception as e: bad.append(f'{path.relative_to(folder)}: {type(e).__name__}: {str(e)[:300]}')
    for file in shown(folder)[0]: _try(file, open_one)
    for o in folder.glob('*.store'): _try(o, store.Store)
    for o in folder.glob('slides/[!.]*/'): _try(o, slide.read_summary)
    if not bad:
        for k,v in sums(folder).items():
            if v not in known.get(k, ()) and not (in_run(folder/k) and (folder/k).name in GROWING): bad.append(f'{k}: neither the older file nor the final one')
    return bad

def parts(o):
    "The tensors, numbers and texts of a checkpoint, without seconds, as bytes that don't depend on how it was pickled"
    if isinstance(o, dict): return [(str(k), parts(v)) for k,v in o.items() if k!='seconds']
    if isinstance(o, (list,tuple)): return [parts(v) for v in o]
    return (str(o.dtype), o.shape, o.numpy().tobytes()) if isinstance(o, torch.Tensor) else repr(o)

def whole(file):
    "The bytes of a file, but for what the docstring leaves out"
    if file.name=='checkpoint.pt': return pickle.dumps(repr(parts(train.read_checkpoint(Run(file.parent)))))
    if file.name=='log.txt': return b'' # When what was done
    if file.name=='history.csv': return pd.read_csv(file, dtype=str).drop(columns='seconds').to_csv().encode()
    if file.name=='metrics.json' and (file.parent/'split.csv').exists(): return json.dumps(dict(json.loads(file.read_text()), seconds=0)).encode()
    if file.name=='summary.json': return json.dumps({k:v for k,v in json.loads(file.read_bytes()).items() if k!='file'}).encode() # Where the slide lies differs
    return file.read_bytes()

def sums(folder):
    "Sums of the files below `folder`"
    return {str(o.relative_to(folder)):hashlib.sha1(whole(o)).hexdigest() for o in shown(folder)[0]}

def differences(now, then):
    "How the sums `now` differ from those of the undisturbed run"
    how = lambda k: 'is missing' if k not in now else 'is one too many' if k not in then else 'differs'
    return [f'{k} {how(k)}' for k in sorted(now|then) if now.get(k)!=then.get(k)]


class Trials:
    "Commands that are killed and given again in folders beside each other"
    def __init__(self, work, seed): self.work,self.seed,self.known = Path(work),seed,{}

    def draw(self):
        "Draw what all commands read"
        def _draw():
            sample.make_sample('data', 200, 24, 8, seed=1, progress=False)
            sample_slide.generate_slide('scan.tif', 900, 700, (.4,), seed=1, progress=False)
            os.mkdir('cut')
            for i,mm in enumerate(((.4,),(.3,),())): sample_slide.generate_slide(f'cut/s{i}.tif', 900, 700, mm, seed=i, progress=False)
            os.remove('cut/s2.geojson') # As of a slide without tumour
        if ended(forked(_draw, folder=self.work)): raise RuntimeError(Path(f'{self.work}.log').read_text())

    def fresh(self, name, command):
        "Give a command in a new process, in a new folder; unless it was given before"
        if (folder:=self.work/name).exists(): return folder
        folder.mkdir()
        done = subprocess.run([sys.executable, '-m', 'pcam_nb.cli', *command.split()], cwd=folder, capture_output=True, text=True)
        if done.returncode: raise RuntimeError(f'{command}: {done.stderr}')
        return folder

    def place(self, case, name):
        "A new folder for a case, with its older output, if it is to have one"
        shutil.rmtree(folder:=self.work/name, ignore_errors=True)
        if CASES[case][2]: shutil.copytree(self.work/f'{case}.old', folder)
        else: folder.mkdir()
        return folder

    def learn(self, case):
        "Run a case undisturbed: note its files, its seconds, and how often it changes the disk; what differs if it is forked"
        _,command,old,_ = CASES[case]
        if old: self.fresh(f'{case}.old', old)
        first = {'repack':'pack', 'reslide':'slide', 'retile':'tiles'}.get(case) # The same command
        then = asked(sums, self.work/f'{first}.fresh' if first else self.fresh(f'{case}.fresh', command), folder=self.work/'data')
        folder,begin = self.place(case, f'{case}.forked'),time.perf_counter()
        code = ended(forked(give, command, folder=folder))
        took = time.perf_counter()-begin
        if code: raise RuntimeError(f'{command}: '+Path(f'{folder}.log').read_text())
        before = asked(sums, self.work/f'{case}.old', folder=self.work/'data') if old else {}
        self.known[case] = then,before,took,int(Path(f'{folder}.changes').read_text())
        return [f'{case}, forked: {o}' for o in differences(asked(sums, folder, folder=folder), then)+shown(folder)[1]]

    def kill_one(self, case, folder, rng, how):
        "Give a command and kill it; when, in words, or None if it had ended before"
        *_,took,changes = self.known[case]
        at,last,most = rng.uniform(0, took),int(rng.integers(1, changes+1)),int(rng.integers(0, 201))
        give_it = (give, CASES[case][1]) if how=='any' else (give, CASES[case][1], last, most if how=='within' else None)
        pid = forked(*give_it, folder=folder)
        code = ended(pid, at if how=='any' else None)
        if code is None: code = kill(pid)
        with contextlib.suppress(ProcessLookupError): os.killpg(pid, signal.SIGKILL) # Whoever is left of its group
        if code not in (0,-signal.SIGKILL,-signal.SIGXFSZ): raise RuntimeError(f'{case}, not killed yet: '+Path(f'{folder}.log').read_text())
        said = dict(any=f'after {at:.2f} of {took:.2f} s', before=f'before change {last} of {changes}',
                    within=f'{most} bytes into a file, after change {last} of {changes}')
        return said[how] if code else None

    def trial(self, number, case, how):
        "Kill a command, look, and give it again; what came of it"
        rng,given,when = np.random.default_rng([self.seed, number]),0,None
        while when is None: # One that comes after the end doesn't count
            folder,given = self.place(case, f'{case}.{number}'),given+1
            when = self.kill_one(case, folder, rng, how)
        final,old = self.known[case][:2]
        halves = asked(torn, folder, {k:{final.get(k), old.get(k)} for k in final|old}, folder=folder)
        there = [str(o.relative_to(folder)) for o in shown(folder)[0]]+shown(folder)[1]
        command,marker = CASES[case][1],CASES[case][3]
        if marker and (folder/marker).exists(): command += ' --resume'
        code = ended(forked(give, command, folder=folder))
        faults = [f'right after the kill: {o}' for o in halves]
        if code: faults.append(f'{command}: exit {code}: '+Path(f'{folder}.log').read_text()[-600:].strip())
        hidden = shown(folder)[1]
        differ = differences(asked(sums, folder, folder=folder), final)
        what = [*faults, *differ, *(f'{o} is left' for o in hidden)]
        if what: what.append(f"there after the kill: {', '.join(there) or 'nothing'}")
        shutil.rmtree(folder)
        return dict(command=case, how=how, given=given, torn=bool(halves), identical=not (code or differ), left=bool(hidden),
                    faults=[f'{case} {number}, killed {when}: {o}' for o in what])


def in_lanes(f, jobs, lanes, folder):
    "What `f(*job)` returns for all jobs, in as many processes, none of which has a thread"
    def _lane(i):
        for j in range(i, len(jobs), lanes): (folder/f'lane.{j}').write_bytes(pickle.dumps(f(*jobs[j])))
    places = [folder/f'lane{i}' for i in range(lanes)]
    for o in places: o.mkdir(exist_ok=True)
    for o,pid in [(o, forked(_lane, i, folder=o)) for i,o in enumerate(places)]:
        if ended(pid): raise RuntimeError(Path(f'{o}.log').read_text())
    return [pickle.loads((folder/f'lane.{j}').read_bytes()) for j in range(len(jobs))]

def plan(n):
    "The cases of `n` kills, each with its share"
    shares = pd.Series({k:v[0] for k,v in CASES.items()})
    given = pd.Series(0, index=shares.index)
    for _ in range(n): given[(given/shares).idxmin()] += 1
    return [k for k in CASES for _ in range(given[k])]

def table(done):
    "A row for each case"
    rows = []
    for case in CASES:
        mine = [o for o in done if o['command']==case]
        count,ways = lambda k: sum(o[k] for o in mine),[o['how'] for o in mine]
        rows.append({'command':case, 'kills':len(mine), 'any moment':ways.count('any'), 'before a change':ways.count('before'),
                     'within a file':ways.count('within'), 'all whole':len(mine)-count('torn'), 'identical':count('identical'), 'leftovers':count('left')})
    rows.append(dict(pd.DataFrame(rows).drop(columns='command').sum(), command='all'))
    return pd.DataFrame(rows).to_string(index=False)

def main(kills, writes, seed, lanes, only):
    "Kill, give again, tell; how many faults there are"
    begin,train = time.perf_counter(),CASES['train'][1]
    for o in [o for o in CASES if only and o not in only]: del CASES[o]
    with tempfile.TemporaryDirectory() as work:
        work = Path(work).resolve()/'all'
        work.mkdir()
        trials = Trials(work, seed)
        trials.draw()
        if any('../run' in o[1] for o in CASES.values()): shutil.copytree(trials.fresh('train.fresh', train)/'run', work/'run')
        def _learn(*cases): return [trials.learn(o) for o in cases if o in CASES], trials.known
        learnt = in_lanes(_learn, [['pack','repack'], ['slide','reslide'], ['tiles','retile'], ['train'], ['evaluate'], ['export'], ['predict']], lanes, work)
        faults = [o for found,known in learnt for case in found for o in case]
        for _,known in learnt: trials.known |= known
        for case,(*_,took,changes) in trials.known.items(): print(f'{case:9}{took:6.2f} s, {changes} changes of the disk', flush=True)
        jobs = [(case, 'any') for case in plan(kills)]+[(case, 'within' if i%2 else 'before') for i,case in enumerate(plan(writes))]
        order = np.random.default_rng(seed).permutation(len(jobs))
        done = in_lanes(trials.trial, [(int(i), *jobs[i]) for i in order], lanes, work)
    faults += [o for t in done for o in t['faults']]
    print(table(done), *faults, f'{len(done)} kills, {len(faults)} faults, {time.perf_counter()-begin:.0f} s', sep='\n')
    return len(faults)

if __name__=='__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--kills', type=int, default=40)
    p.add_argument('--writes', type=int, default=24)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--only', nargs='*', choices=list(CASES), default=[])
    p.add_argument('--lanes', type=int, default=len(os.sched_getaffinity(0)))
    sys.exit(bool(main(**vars(p.parse_args()))))
