// A line through points in the plane, by least squares.

const mean = (v) => v.reduce((s, x) => s + x, 0) / v.length;

/** The line of least squares, [height at 0, slope], and what the formulas need; null if it is not one line. */
export function fit(x, y) {
  const [x0, y0] = [mean(x), mean(y)];
  let [xx, xy] = [0, 0];
  x.forEach((v, i) => {
    xx += (v - x0) ** 2;
    xy += (v - x0) * (y[i] - y0);
  });
  if (xx < 1e-9) return null; // all points one above the other
  const slope = xy / xx;
  return { theta: [y0 - slope * x0, slope], x0, xx };
}

export const height = ([a, b], x) => a + b * x;
