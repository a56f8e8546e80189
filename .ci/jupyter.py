"""Run a notebook in JupyterLab, in Chromium, as its reader would, and look at what it shows.

python .ci/jupyter.py [NOTEBOOK] [--shots FOLDER]

NOTEBOOK is a path within nbs. Fails if a cell fails or warns, or if a picture is missing. The notebooks are copied, so the repository stays as it is.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright
from browser import free_port, launch

SETTINGS = {'notebook-extension/tracker':dict(windowingMode='none'), # All cells in the page, not only those in sight
            'apputils-extension/notification':dict(fetchNews='false', checkForUpdates=False)}
STATE = """() => { const cells = [...document.querySelectorAll('.jp-CodeCell')]; return {
  code: cells.length, run: cells.filter(o => /\\[\\d+\\]/.test(o.querySelector('.jp-InputPrompt').innerText)).length,
  failed: ['error','stderr'].flatMap(o => [...document.querySelectorAll(`[data-mime-type="application/vnd.jupyter.${o}"]`)]).map(o => o.innerText),
  pictures: [...document.querySelectorAll('.jp-OutputArea-output img')].map(o => o.naturalWidth) } }"""


def serve(root, settings):
    "JupyterLab on a free port, and its address"
    for name,o in SETTINGS.items():
        file = settings/f'@jupyterlab/{name}.jupyterlab-settings'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(o))
    port = free_port()
    command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', f'--port={port}', f'--ServerApp.root_dir={root}', '--IdentityProvider.token=']
    env = dict(os.environ, JUPYTERLAB_SETTINGS_DIR=str(settings), JUPYTERLAB_WORKSPACES_DIR=str(settings/'workspaces'))
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f'http://127.0.0.1:{port}'
    for _ in range(240):
        try:
            urllib.request.urlopen(f'{address}/api').read()
            return server, address
        except OSError: time.sleep(.5)
    server.kill()
    raise SystemExit('JupyterLab does not start')


def run_all(page, notebook, address, limit):
    "Open a notebook, clear what it shows, run all its cells, and wait for the end"
    page.goto(f'{address}/lab/tree/{notebook}')
    page.locator('.jp-Notebook .jp-CodeCell').first.wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for() # Its own kernel is there, without a question
    page.wait_for_timeout(3000)                                                    # JupyterLab asks for one if it is used too soon
    for menu,entry in (('Edit','Clear Outputs of All Cells'),('Run','Run All Cells')):
        page.get_by_role('menuitem', name=menu, exact=True).click()
        page.get_by_role('menuitem', name=entry, exact=True).click()
    end = time.time()+limit
    while time.time()<end:
        state = page.evaluate(STATE)
        if state['failed'] or state['code']==state['run']: break
        time.sleep(1)
    page.wait_for_timeout(1500) # The last picture
    return page.evaluate(STATE)


def shoot(page, folder, name):
    "The notebook from top to bottom, a window at a time"
    folder.mkdir(parents=True, exist_ok=True)
    height = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    for i,y in enumerate(range(0, height, 850)):
        page.evaluate("y => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, y)", y)
        page.wait_for_timeout(200)
        page.screenshot(path=folder/f'{name}_{i:02d}.png')


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('notebook', nargs='?', default='tutorials/first_detector.ipynb', help='path within nbs')
    ap.add_argument('--shots', type=Path, help='folder for pictures of the pages')
    ap.add_argument('--limit', type=int, default=300, help='seconds that the notebook may take')
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        root = shutil.copytree(Path(__file__).parents[1]/'nbs', Path(tmp)/'nbs')
        wanted = sum('image/png' in json.dumps(o.get('outputs', '')) for o in json.loads((root/a.notebook).read_text())['cells'])
        server,address = serve(root, Path(tmp)/'settings')
        try:
            with sync_playwright() as p:
                browser = launch(p)
                page = browser.new_page(viewport=dict(width=1280, height=1000))
                state = run_all(page, a.notebook, address, a.limit)
                if a.shots: shoot(page, a.shots, Path(a.notebook).stem)
                browser.close()
        finally:
            server.terminate()
            server.wait(30)
    assert not state['failed'], '\n'.join(state['failed'])
    assert state['run']==state['code'], f"{state['run']} of {state['code']} cells have run"
    assert len(state['pictures'])>=wanted and all(state['pictures']), (wanted, state['pictures'])
    print(f"{a.notebook}: {state['code']} cells have run in JupyterLab, {len(state['pictures'])} pictures are shown")


if __name__=='__main__': main()
