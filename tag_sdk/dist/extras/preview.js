"use strict";(()=>{function N(i){document.currentScript?.tagwayPart?.(i)}var $=`
:host { all: initial }
* { box-sizing: border-box }
section { position: fixed; inset: auto 0 0 auto; z-index: 2147483647; width: min(34rem, 100vw); max-height: 60vh; overflow: auto;
  font: 12px/1.5 system-ui, sans-serif; color: #1b1b1f; background: #fff; border: 1px solid #c6c6d0; box-shadow: 0 4px 24px #0003 }
header { position: sticky; top: 0; display: flex; gap: .5rem; align-items: start; padding: .5rem; background: #1b1b4f; color: #fff }
header ul { flex: 1; display: flex; flex-wrap: wrap; gap: .25rem .75rem; margin: 0; padding: 0; list-style: none }
header li::before { content: "● "; color: #b9b9c9 }
header .granted::before { color: #6fdc8c }
header .denied::before { color: #ff8389 }
details { padding: .25rem .5rem; border-top: 1px solid #e4e4ec; overflow-wrap: anywhere }
summary { display: grid; grid-template-columns: 5fr 4fr 4fr; gap: 0 .75rem; cursor: pointer }
summary b { font-weight: 600 }
summary span + span { color: #5b5b6b }
summary .accepted, summary .duplicate { color: #0e6027 }
summary .dropped, summary .invalid { color: #a2191f }
pre { margin: .25rem 0; padding: .5rem; white-space: pre-wrap; background: #f4f4f8 }
button { font: inherit; cursor: pointer }
:focus-visible { outline: 2px solid #4589ff; outline-offset: -2px }
@media (max-width: 30rem) { summary { grid-template-columns: 1fr auto } summary b { grid-column: 1 / -1 } }`,R=200;N(({tagway:i,past:k})=>{sessionStorage.setItem("tagway_debug","1");let y=document.createElement("tagway-preview"),S=y.attachShadow({mode:"open"}),P=new CSSStyleSheet;P.replaceSync($),S.adoptedStyleSheets=[P];let r=(e,s,o)=>{let t=document.createElement(e);return t.textContent=s,o.appendChild(t),t},w=r("section","",S);w.ariaLabel="Preview of the tag";let v=r("header","",w),h=r("ul","",v),C=r("button","Close",v),b=r("div","",w),p=new Map,a=new Set,f=(e,s="",o)=>{let t=r("details","",b),n=r("summary","",t);r("b",e,n);let d={decision:r("span",s,n),answer:r("span","",n)};return r("pre",JSON.stringify(o,null,1)??"Nothing more is known of it here.",t),b.childElementCount>R&&b.firstElementChild?.remove(),t.scrollIntoView({block:"nearest"}),d},c=({answer:e},s)=>{e.textContent=s,e.className=s.split(/[_: ]/)[0]??""},T=e=>{h.textContent="";for(let[s,o]of Object.entries(e))r("li",`${s} ${o}`,h).className=o;navigator.globalPrivacyControl&&r("li","GPC honoured",h)},E=e=>{let{messageId:s,type:o,event:t,name:n,context:d}=e,m=Object.entries(d.consent.categoryPreferences).flatMap(([x,u])=>u?[x]:[]),g=f(t??(n?`${o} ${n}`:o),m.join(", ")||"held: no consent yet",e);m.length&&c(g,"on its way"),p.set(s,g),a.add(s)},l=([e,s])=>{if(e==="consent"){T(s);let o=Object.entries(s).flatMap(([t,n])=>n==="granted"?[t]:[]);for(let t of a){let n=p.get(t);n&&o.length&&!n.answer.textContent&&(n.decision.textContent=o.join(", "),c(n,"on its way"))}}else if(e==="message")E(s);else if(e==="drop"){let{reason:o,status:t,count:n,name:d,messageId:m=""}=s,g=p.get(m)??f(d??`${n} given up`);if(c(g,`dropped: ${o}${t?` ${t}`:""}`),a.delete(m),o!=="consent"||d)return;for(let x of a){let u=p.get(x);u&&(u.decision.textContent="refused",c(u,"dropped by consent"))}a.clear()}else if(e==="results")for(let{message_id:o,outcome:t,reason:n}of s)a.delete(o),c(p.get(o)??f("statement on consent"),n?`${t}: ${n}`:t)};T(i.consent.get()),k.forEach(l),i.on("message",e=>l(["message",e])),i.on("results",e=>l(["results",e])),i.on("drop",e=>l(["drop",e])),i.on("consent",e=>l(["consent",e])),i.on("error",e=>c(f("error"),`invalid: ${e}`)),C.addEventListener("click",()=>{sessionStorage.removeItem("tagway_debug"),y.remove()}),document.documentElement.append(y)});})();
