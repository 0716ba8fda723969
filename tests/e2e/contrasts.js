// Every text on the screen against what is behind it: WCAG's 4.5, or 3 where it is large. What is below is returned.
() => {
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0.99) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest("svg, dialog, .skip, noscript, script") || !one.offsetParent) continue;
    if (![...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
    const style = getComputedStyle(one), fore = light(parse(style.color)), back = light(ground(one));
    const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push([one.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
  }
  return bad;
}
