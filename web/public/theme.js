// Runs before the first paint, so that a chosen theme never flashes. Inline scripts are not allowed, hence a file.
try {
  var settings = JSON.parse(localStorage.getItem('pomona.settings') || '{}')
  var root = document.documentElement
  if (settings.theme === 'light' || settings.theme === 'dark') root.dataset.theme = settings.theme
  if (settings.density === 'compact') root.dataset.density = 'compact'
} catch (e) {}
