"A Hugging Face Space that serves the run beside this file"
from pathlib import Path
from pcam_nb.app import serve

serve(Path(__file__).parent/'run', host='0.0.0.0', port=7860)
