-- A figure whose caption says what it shows has that as its alternative text
function Image(image)
  if #image.caption > 0 and not image.attributes['fig-alt'] then
    image.attributes['fig-alt'] = pandoc.utils.stringify(image.caption)
  end
  return image
end
