"""The viewer of slides: seconds to the first tiles of a slide of 20,000 × 20,000 px, milliseconds for a tile, alone and with eight viewers at once, memory, and
the seconds until a worklist of 200 results stands in the browser.

python bench/viewer.py [--side 20000] [--results 200] [--viewers 8] [--requests 400]
"""
import json, shutil, signal, socket, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]/'.ci'))
from common import arguments, finish
from app import resident
import httpx, numpy as np
from browser import launch
from pcam_nb.core import UM_PER_PX, write_json
from pcam_nb.image import read_image
from pcam_nb.sample_slide import generate_slide, write_pyramid
from pcam_nb.slide import read_slide, sum_of
from pcam_nb.infer import Predictor
from playwright.sync_api import sync_playwright


def serve(out):
    "pcam_view in a process of its own: process, address, and the seconds to its first page"
    with socket.socket() as s:
        s.bind(('127.0.0.1',0))
        port = s.getsockname()[1]
    begin,p = time.perf_counter(),subprocess.Popen([sys.executable, '-m', 'pcam_nb.cli', 'pcam_view', str(out), '--port', str(port)], stdout=subprocess.DEVNULL)
    while True:
        try:
            if httpx.get(f'http://127.0.0.1:{port}/').status_code==200: return p, f'http://127.0.0.1:{port}', time.perf_counter()-begin
        except httpx.TransportError: time.sleep(.02)


def processes(pid):
    "Proportional memory of a process and of those that it has started, MB; what several share is divided among them"
    parents = {int(o.parent.name):int(o.read_text().rsplit(')', 1)[1].split()[1]) for o in Path('/proc').glob('[0-9]*/stat')}
    def under(o): return o==pid or (o in parents and under(parents[o]))
    total = 0
    for o in filter(under, parents):
        try: total += sum(int(k.split()[1]) for k in Path(f'/proc/{o}/smaps_rollup').read_text().splitlines() if k.startswith('Pss:'))
        except OSError: pass # It has ended
    return total/1024


def places(about, n, seed):
    "Random tiles of all levels, as somebody asks who zooms in and moves"
    rng,(w,h),k = np.random.default_rng(seed),about['size'],about['tiles']
    for _ in range(n):
        level = int(rng.integers(max(k['least'], k['levels']-7), k['levels']))
        scale = 256*2**(k['levels']-1-level)
        yield level, int(rng.integers(0, -(-w//scale))), int(rng.integers(0, -(-h//scale)))


def ask(web, name, at):
    "Milliseconds for a tile, and its status"
    begin = time.perf_counter()
    status = web.get(f'/api/results/{name}/tiles/{at[0]}/{at[1]}/{at[2]}').status_code
    return 1000*(time.perf_counter()-begin), status


def many_results(folder, one, n):
    "`n` results that differ in name and score; the files of `one`"
    rng = np.random.default_rng(0)
    for i in range(n):
        shutil.copytree(one, folder/f'slide_{i:03}')
        said = json.loads((one/'summary.json').read_text())
        write_json(folder/f'slide_{i:03}'/'summary.json', dict(said, slide=f'slide_{i:03}.tif', score=float(rng.uniform())))


def in_browser(address, wait):
    "Seconds until `wait`, a function of a page, has come back, and the page's own requests for tiles"
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page,asked = browser.new_page(viewport=dict(width=1280, height=900)),[]
        page.on('request', lambda o: '/tiles/' in o.url and asked.append(o.url))
        begin = time.perf_counter()
        page.goto(address)
        wait(page)
        took = time.perf_counter()-begin
        browser.close()
    return took, len(asked)


def first_tiles(page): page.wait_for_function("() => document.querySelectorAll('.leaflet-tile-pane canvas.leaflet-tile-loaded').length >= 4")
def whole_list(page): page.wait_for_function("() => document.body.dataset.ready && document.querySelectorAll('#slides tbody tr').length > 0")


def main():
    args = arguments(__doc__, 0, side=20000, results=200, viewers=8, requests=400)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        generate_slide(tmp/'small.tif', 1500, 1200, (.5,), progress=False)
        predictor = Predictor.load('pcam-small', 'cpu')
        read_slide(predictor, tmp/'small.tif', tmp/'small', progress=False, where=True)
        many_results(tmp/'many', tmp/'small', args.results)
        tile = np.tile(read_image(tmp/'small.tif')[344:856,494:1006], (1,-(-args.side//512),1))[:,:args.side]
        write_pyramid(tmp/'large.tif', (tile[:min(512, args.side-y)] for y in range(0, args.side, 512)), (args.side,args.side,3), UM_PER_PX/2)
        job = dict(slide='large.tif', bytes=(tmp/'large.tif').stat().st_size, head=sum_of(tmp/'large.tif', 2**20))
        read_slide(predictor, tmp/'large.tif', tmp/'one'/'large', stride=96, job=dict(job, stride=96), progress=False, where=True)
        rows = []
        server,address,begun = serve(tmp/'one')
        try:
            web = httpx.Client(base_url=address, timeout=60)
            cold = in_browser(f'{address}/#slide=large', first_tiles)
            again = in_browser(f'{address}/#slide=large', first_tiles)
            about = web.get('/api/results/large/view').json()
            at = list(places(about, args.requests, 0))
            new = [ask(web, 'large', o) for o in at]
            warm = [ask(web, 'large', o) for o in at]
            def viewer(i):
                with httpx.Client(base_url=address, timeout=60) as web: return [ask(web, 'large', o) for o in places(about, args.requests//4, i)]
            with ThreadPoolExecutor(args.viewers) as pool: crowd = sum(pool.map(viewer, range(1, args.viewers+1)), [])
            memory,own = processes(server.pid),resident(server.pid, 'VmHWM')
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
        server,address,_ = serve(tmp/'many')
        try: lists = [in_browser(address, whole_list)[0] for _ in range(max(args.repeats, 1))]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    said = lambda o: f'median {np.median([k for k,_ in o]):.0f} ms, 95th percentile {np.quantile([k for k,_ in o], .95):.0f} ms; {sum(s!=200 for _,s in o)} of {len(o):,} failed'
    rows = [{'':'from the command to the first page', 'found':f'{begun:.1f} s'},
            {'':f'first tiles of {args.side:,} × {args.side:,} px in the browser, first time; again', 'found':f'{cold[0]:.2f} s; {again[0]:.2f} s'},
            {'':'a tile that was not cut yet', 'found':said(new)}, {'':'a tile from the cache', 'found':said(warm)},
            {'':f'{args.viewers} viewers at once, other tiles each', 'found':said(crowd)},
            {'':'memory after that: the server with the processes that cut tiles; the server alone, at most', 'found':f'{memory:,.0f} MB; {own:,.0f} MB'},
            {'':f'a worklist of {args.results} results in the browser', 'found':f'median {np.median(lists):.2f} s, largest {max(lists):.2f} s of {len(lists)}'}]
    finish('viewer', args, rows, milliseconds={k:np.quantile([m for m,_ in v], [.5,.95,1]).round(1).tolist() for k,v in dict(new=new, warm=warm, crowd=crowd).items()})


if __name__=='__main__': main()
