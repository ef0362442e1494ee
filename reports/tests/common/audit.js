// What a page may be reproached with. Comes to an object of functions; each returns how many things it looked at, and what is wrong with
// them in words.
(() => {
  const named = element => {
    const text = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    const classes = element.getAttribute("class");
    return element.localName + (element.id ? "#" + element.id : "") + (classes ? "." + classes.trim().replace(/\s+/g, ".") : "")
      + (text ? " `" + text + "`" : "");
  };
  const all = selector => [...document.querySelectorAll(selector)];
  const shown = element => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    // What is there for screen readers alone is made a pixel small.
    return box.width > 1 && box.height > 1;
  };
  const answer = (seen, problems) => ({ seen: seen.length, problems });

  // Colours as [red, green, blue, alpha], 0 to 1.
  const colour = text => {
    const numbers = text.match(/-?[\d.]+(e-?\d+)?/g);
    const [red, green, blue, alpha = 1] = (numbers || []).map(Number);
    if (/^rgba?\(/.test(text)) return [red / 255, green / 255, blue / 255, alpha];
    if (/^color\(srgb /.test(text)) return [red, green, blue, alpha];
    throw new Error("no idea what colour " + text + " is");
  };
  const over = ([r, g, b, alpha], [R, G, B]) => [r * alpha + R * (1 - alpha), g * alpha + G * (1 - alpha), b * alpha + B * (1 - alpha), 1];
  const faded = ([r, g, b, alpha], share) => [r, g, b, alpha * share];
  const luminance = ([r, g, b]) => {
    const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const hex = ([r, g, b]) => "#" + [r, g, b].map(value => Math.round(value * 255).toString(16).padStart(2, "0")).join("");

  // The colour behind an element's text: what its ancestors are painted with, from the canvas up.
  const behind = element => {
    const chain = [];
    for (let at = element; at; at = at.parentElement) chain.unshift(at);
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    let back = dark ? [0.07, 0.07, 0.07, 1] : [1, 1, 1, 1];
    for (const at of chain) back = over(colour(getComputedStyle(at).backgroundColor), back);
    return back;
  };
  const opacity = element => {
    let share = 1;
    for (let at = element; at; at = at.parentElement) share *= Number(getComputedStyle(at).opacity);
    return share;
  };
  // In a drawing: the shapes that were painted before, at one place of the view.
  const behindInDrawing = (text, root, x, y) => {
    let back = behind(root);
    for (const shape of root.querySelectorAll("rect,path,circle,ellipse,polygon")) {
      if (shape.closest("defs") || !(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
      const style = getComputedStyle(shape);
      if (style.fill === "none" || style.fill.startsWith("url") || !shape.checkVisibility({ visibilityProperty: true })) continue;
      const place = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
      if (shape.isPointInFill(place)) back = over(faded(colour(style.fill), Number(style.fillOpacity) * opacity(shape)), back);
    }
    return back;
  };

  return {
    // Nothing sticks out to the right. A telephone would widen the page to what is on it, so that the width of the view counts as well.
    sideways(viewWidth) {
      const width = Math.min(viewWidth, document.documentElement.clientWidth);
      const wide = document.documentElement.scrollWidth;
      if (wide <= width) return answer([wide], []);
      const inside = element => {
        for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
          if (getComputedStyle(at).overflowX !== "visible") return true;
        }
        return false;
      };
      const out = all("body *").filter(element => element.getBoundingClientRect().right > width + 0.5 && !inside(element));
      return answer([wide], ["the page is " + wide + " wide: " + out.slice(0, 3).map(named).join(", ")]);
    },

    // One first heading, and no level left out on the way down.
    headings() {
      const headings = all("h1,h2,h3,h4,h5,h6").filter(shown);
      const problems = [];
      const first = headings.filter(heading => heading.localName === "h1").length;
      if (first !== 1) problems.push(first + " first headings");
      let before = 0;
      for (const heading of headings) {
        const level = Number(heading.localName[1]);
        if (level > before + 1) problems.push(named(heading) + " comes after level " + before);
        before = level;
      }
      return answer(headings, problems);
    },

    // Every table says what its columns or its rows are.
    tables() {
      const tables = all("table");
      const bare = tables.filter(table => !table.querySelector("thead th, th[scope]"));
      return answer(tables, bare.map(table => named(table) + " has no headings"));
    },

    // Every drawing says what it shows.
    drawings() {
      const drawings = all("svg,canvas").filter(drawing => !drawing.parentElement.closest("svg") && !drawing.closest("[aria-hidden=true]"));
      const label = drawing => (drawing.getAttribute("aria-label") || "").trim()
        || (drawing.getAttribute("aria-labelledby") || "").split(/\s+/).some(id => id && document.getElementById(id));
      const problems = [];
      for (const drawing of drawings) {
        if (!label(drawing)) problems.push(named(drawing) + " has no label");
        if (drawing.localName === "svg" && drawing.getAttribute("role") !== "img") problems.push(named(drawing) + " has not the role of an image");
      }
      return answer(drawings, problems);
    },

    // Every text stands out from what is behind it: the thresholds of WCAG 2.2, 1.4.3.
    contrast() {
      const seen = [], problems = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !shown(element) || element.closest("script,style,title,desc,:disabled,[aria-disabled=true]")) continue;
        seen.push(node);
        const style = getComputedStyle(element);
        const root = element.ownerSVGElement;
        const drawn = root && !element.closest("foreignObject");
        let worst = Infinity, pair = "";
        const compare = (text, back) => {
          const value = contrast(over(text, back), back);
          if (value < worst) [worst, pair] = [value, hex(over(text, back)) + " on " + hex(back)];
        };
        const scale = drawn ? Math.abs(element.getScreenCTM().a) : 1;
        if (drawn) {
          const text = faded(colour(style.fill), Number(style.fillOpacity) * opacity(element));
          const range = document.createRange();
          range.selectNode(node);
          const box = range.getBoundingClientRect();
          const haloed = style.stroke !== "none" && style.paintOrder.startsWith("stroke");
          for (const share of [0.02, 0.25, 0.5, 0.75, 0.98]) {
            const back = behindInDrawing(element, root, box.left + box.width * share, box.top + box.height / 2);
            compare(text, haloed ? over(colour(style.stroke), back) : back);
          }
        } else {
          compare(faded(colour(style.color), opacity(element)), behind(element));
        }
        const size = parseFloat(style.fontSize) * scale;
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const wanted = large ? 3 : 4.5;
        if (worst < wanted) problems.push(named(element) + ": " + pair + " is " + worst.toFixed(2) + ", wanted " + wanted);
      }
      return answer(seen, [...new Set(problems)]);
    },

    // Where the keyboard is: what has the focus, and whether that can be seen; nothing once it comes where it was before.
    focus() {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      if (element.stormglassReached) return null;
      element.stormglassReached = true;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const ring = style.outlineStyle === "auto"
        || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
          && contrast(over(colour(style.outlineColor), behind(element.parentElement)), behind(element.parentElement)) >= 3);
      const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      return { element: named(element), visible: ring && inView };
    },

    // What the keyboard should reach, and has not.
    unreached() {
      const wanted = all("button,input,select,textarea,summary,a[href],[tabindex]").filter(element =>
        shown(element) && !element.matches(":disabled") && element.tabIndex >= 0);
      return answer(wanted, wanted.filter(element => !element.stormglassReached).map(named));
    },
  };
})()
