"use strict";(()=>{function v(i){document.currentScript?.tagwayPart?.(i)}var E=`
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
@media (max-width: 30rem) { summary { grid-template-columns: 1fr auto } summary b { grid-column: 1 / -1 } }`,R=200;v(({tagway:i,past:T})=>{sessionStorage.setItem("tagway_debug","1");let m=document.createElement("tagway-preview"),w=m.attachShadow({mode:"open"}),h=new CSSStyleSheet;h.replaceSync(E),w.adoptedStyleSheets=[h];let r=(e,t,n)=>{let o=document.createElement(e);return o.textContent=t,n.appendChild(o),o},u=r("section","",w);u.ariaLabel="Preview of the tag";let b=r("header","",u),f=r("ul","",b),N=r("button","Close",b),g=r("div","",u),p=new Map,c=new Set,l=(e,t="",n)=>{let o=r("details","",g),s=r("summary","",o);r("b",e,s);let y={decision:r("span",t,s),answer:r("span","",s)};return r("pre",JSON.stringify(n,null,1)??"Nothing more is known of it here.",o),g.childElementCount>R&&g.firstElementChild?.remove(),o.scrollIntoView({block:"nearest"}),y},a=({answer:e},t)=>{e.textContent=t,e.className=t.split(/[_: ]/)[0]??""},x=e=>{f.textContent="";for(let[t,n]of Object.entries(e))r("li",`${t} ${n}`,f).className=n;navigator.globalPrivacyControl&&r("li","GPC honoured",f)},$=e=>{let{messageId:t,type:n,event:o,name:s,context:y}=e,S=Object.entries(y.consent.categoryPreferences).flatMap(([k,C])=>C?[k]:[]),P=l(o??(s?`${n} ${s}`:n),S.join(", ")||"held: no consent yet",e);S.length&&a(P,"on its way"),p.set(t,P),c.add(t)},d=([e,t])=>{if(e==="consent"){x(t);let n=Object.entries(t).flatMap(([o,s])=>s==="granted"?[o]:[]);for(let o of c){let s=p.get(o);s&&n.length&&!s.answer.textContent&&(s.decision.textContent=n.join(", "),a(s,"on its way"))}}else if(e==="message")$(t);else if(e==="drop"){if(a(l(`${t.count} given up`),`dropped: ${t.reason}${t.status?` ${t.status}`:""}`),t.reason!=="consent")return;for(let n of c){let o=p.get(n);o&&(o.decision.textContent="refused",a(o,"dropped by consent"))}c.clear()}else if(e==="results")for(let{message_id:n,outcome:o,reason:s}of t)c.delete(n),a(p.get(n)??l("statement on consent"),s?`${o}: ${s}`:o)};x(i.consent.get()),T.forEach(d),i.on("message",e=>d(["message",e])),i.on("results",e=>d(["results",e])),i.on("drop",e=>d(["drop",e])),i.on("consent",e=>d(["consent",e])),i.on("error",e=>a(l("error"),`invalid: ${e}`)),N.addEventListener("click",()=>{sessionStorage.removeItem("tagway_debug"),m.remove()}),document.documentElement.append(m)});})();
